"""Model references: ``[host/][namespace/]model[:tag]``.

The rules are those of ``types/model/name.go`` in Ollama. A name that passes ``parse_name`` has parts that are safe as
single path components: no part can be empty, start with a dot or a dash, or contain a separator.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from puna.errors import BadRequestError

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


class InvalidNameError(BadRequestError):
    """The text is not a model reference."""

    def __init__(self, text: str) -> None:
        super().__init__(f"invalid model name: {text!r}", param="model")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A complete model reference; every part is valid."""

    host: str
    namespace: str
    model: str
    tag: str

    def __str__(self) -> str:
        """Return the shortest text that means this name (Ollama's ``DisplayShortest``)."""
        short = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{short}"
        return short if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{short}"

    @property
    def path(self) -> PurePosixPath:
        """Return ``host/namespace/model/tag``, where the manifest lies under ``manifests``."""
        return PurePosixPath(self.host, self.namespace, self.model, self.tag)

    @property
    def key(self) -> str:
        """Return the text by which two names are the same: Ollama compares them without regard to case."""
        return str(self.path).lower()


def parse_name(text: str) -> ModelName:
    """Return the reference that ``text`` means, with missing parts filled in; raise ``InvalidNameError``."""
    rest = text.partition("://")[2] or text
    rest, slash, last = rest.rpartition("/")
    model, colon, tag = last.partition(":")
    host, namespace_slash, namespace = rest.rpartition("/")
    parts = ModelName(
        host=host if namespace_slash else DEFAULT_HOST,
        namespace=namespace if slash else DEFAULT_NAMESPACE,
        model=model,
        tag=tag if colon else DEFAULT_TAG,
    )
    valid = (
        _HOST.fullmatch(parts.host)
        and _NAMESPACE.fullmatch(parts.namespace)
        and _PART.fullmatch(parts.model)
        and _PART.fullmatch(parts.tag)
    )
    if not valid:
        raise InvalidNameError(text)
    return parts
