"""What a new model is made of, as a request says it, checked before any work begins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from puna.errors import BadRequestError
from puna.models.config import encode_parameters
from puna.names import ModelName

MAX_FILES = 1024
MAX_TEXT = 4 << 20
"""Bytes of a template, a system message, a licence, or all messages together."""
MAX_PARAMETERS = 1 << 20
MAX_LICENSES = 64
_MAX_NAME = 255
_VERSION = re.compile(r"\d+(\.\d+){0,2}([-+][0-9A-Za-z.+-]+)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\:]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a new model is made of. ``None`` or empty keeps what the base model has.

    ``files``, ``adapters`` and ``drafts`` map file names to digests of blobs that are in the store. ``quantize`` is
    the name of a mix. Raises ``BadRequestError`` for names that leave their directory and for what is too large.
    """

    base: ModelName | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    drafts: Mapping[str, str] = field(default_factory=dict)
    quantize: str = ""
    keep: bool = False
    """Whether a checkpoint stays as it is, for engines that read safetensors."""
    template: str | None = None
    system: str | None = None
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Mapping[str, Any], ...] = ()
    requires: str = ""
    renderer: str = ""
    parser: str = ""

    def __post_init__(self) -> None:
        if self.base is None and not self.files:
            raise BadRequestError('neither "from" nor "files" was specified')
        if self.keep and (self.quantize or self.adapters or self.drafts or self.base):
            raise BadRequestError("a checkpoint that is kept as it is takes no other model, adapter, draft or mix")
        for files in (self.files, self.adapters, self.drafts):
            _check_names(files)
        messages = sum(len(str(message).encode()) for message in self.messages)
        texts = {"template": self.template, "system": self.system, "renderer": self.renderer, "parser": self.parser}
        sizes = {name: len((text or "").encode()) for name, text in texts.items()} | {"messages": messages}
        sizes |= {f"license {number}": len(text.encode()) for number, text in enumerate(self.licenses, 1)}
        for name, size in sizes.items():
            if size > MAX_TEXT:
                raise BadRequestError(f"{name} is larger than {MAX_TEXT >> 20} MiB")
        if len(self.licenses) > MAX_LICENSES:
            raise BadRequestError(f"there are more than {MAX_LICENSES} licenses")
        if len(encode_parameters(self.parameters)) > MAX_PARAMETERS:
            raise BadRequestError(f"the parameters are larger than {MAX_PARAMETERS >> 20} MiB")
        if self.requires and not _VERSION.fullmatch(self.requires):
            raise BadRequestError("requires must be a version like 0.14.0")


def _check_names(files: Mapping[str, str]) -> None:
    if len(files) > MAX_FILES:
        raise BadRequestError(f"too many files: {len(files)} exceeds maximum {MAX_FILES}")
    for name in files:
        parts = name.split("/")
        if any(part in {"", ".", ".."} or len(part.encode()) > _MAX_NAME for part in parts) or _CONTROL.search(name):
            raise BadRequestError(f"file path must be relative: {name[:_MAX_NAME]}")
    directories = {name[:index] for name in files for index, letter in enumerate(name) if letter == "/"}
    if both := directories & files.keys():
        raise BadRequestError(f"{min(both)} is a file and a directory")
