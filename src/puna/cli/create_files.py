"""The files that a Modelfile names: which ones belong to a model, and under what names they are sent."""

import re
from dataclasses import dataclass
from pathlib import Path

from puna.cli.errors import CommandError
from puna.config.home import expanded
from puna.models.store import InvalidDigestError, parse_digest

_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")
_WEIGHTS = ("model*.safetensors", "adapter*.safetensors", "consolidated*.safetensors", "*.safetensors", "*.gguf")
_PICKLES = ("*.bin", "*.pth", "*.pt", "*.ckpt")
_OTHERS = ("*.json", "*/config.json", "*.jinja", "tokenizer.model", "vocab.txt", "merges.txt")
_PATH_START = ("/", "./", "../", "~", "\\", ".\\", "..\\")
_PATH_END = (".gguf", ".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to send: the name it has for the server (relative, with "/") and where it lies."""

    name: str
    path: Path


def find_source(text: str, directory: Path) -> Path | str | None:
    """Return what a FROM, ADAPTER or DRAFT means: a path that exists, a digest, or ``None`` for a model's name.

    Relative paths count from ``directory``. Raises ``CommandError`` for text that can only be a path and is none.
    """
    digest = _digest(text.removeprefix("@"))
    if text.startswith("@") and digest:
        return digest
    path = directory / expanded(Path(text))
    if _exists(path):
        return path
    if digest := _digest(path.name):
        return digest
    if text.startswith(_PATH_START) or text.endswith(_PATH_END) or text in {".", ".."}:
        raise CommandError(f"there is no {path}")
    return None


def _digest(text: str) -> str | None:
    try:
        return parse_digest(text)
    except InvalidDigestError:
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for a file, or a directory that must not be read
        return False


def model_files(source: Path) -> list[SourceFile]:
    """Return the files of the model (or adapter) at ``source``; raise ``CommandError`` if it is none.

    A directory gives its weights (safetensors before GGUF) with the configuration and the tokenizer beside them; one
    part of a split GGUF gives all parts.
    """
    if source.is_dir():
        return _files_in(source)
    if not source.is_file():
        raise CommandError(f"{source} is not a file")
    shard = _SHARD.fullmatch(source.name)
    if shard is None:
        return [SourceFile(source.name, source)]
    count = int(shard["count"])
    names = [f"{shard['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]
    missing = next((name for name in names if not (source.parent / name).is_file()), None)
    if missing:
        raise CommandError(f"{source.name} is one of {count} parts, and {missing} is not beside it")
    return [SourceFile(name, source.parent / name) for name in names]


def _files_in(directory: Path) -> list[SourceFile]:
    weights = next((found for pattern in _WEIGHTS if (found := _glob(directory, pattern))), [])
    if not weights:
        pickles = next((found for pattern in _PICKLES if (found := _glob(directory, pattern))), [])
        if pickles:
            raise CommandError(f"{pickles[0].name} can run code when it is read; save the model as safetensors instead")
        raise CommandError(f"there are no safetensors or GGUF files in {directory}")
    paths = list(weights)
    if weights[0].suffix == ".safetensors":
        paths += [path for pattern in _OTHERS for path in _glob(directory, pattern)]
    root = directory.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise CommandError(
                f"{path.name} is a link out of {directory}; copy the files themselves "
                "(huggingface-cli download --local-dir does)"
            )
    return [SourceFile(path.relative_to(directory).as_posix(), path) for path in paths]


def _glob(directory: Path, pattern: str) -> list[Path]:
    return sorted(path for path in directory.glob(pattern) if path.is_file() and not path.name.startswith("."))
