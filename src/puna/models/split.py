"""Split models: GGUF files ``…-00001-of-00003.gguf`` that are one model together.

llama.cpp finds the parts by the name of the first, so that blobs, which are named by their digests, need links with
the right names. They lie in ``split`` under the models directory, made when a model is first loaded.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from puna.errors import BadRequestError
from puna.models.gguf import GGUFFile
from puna.models.links import SPLIT, make_links

MAX_PARTS = 1024


class SplitError(BadRequestError):
    """The files are not the parts of one model."""


def is_part(gguf: GGUFFile) -> bool:
    """Return whether a file is one part of several."""
    return (gguf.whole("split.count") or 0) > 1


def in_order(files: Sequence[tuple[str, GGUFFile]]) -> list[str]:
    """Return the names of a split model's files in order; raise ``SplitError`` unless they are all parts of one."""
    counts = {gguf.whole("split.count") or 0 for _, gguf in files}
    if len(counts) > 1:
        raise SplitError(f"the files are parts of different models: {', '.join(name for name, _ in files[:8])}")
    count = counts.pop()
    if not 2 <= count <= MAX_PARTS:
        raise SplitError(f"{files[0][0]}: split.count is {count}")
    parts: dict[int, str] = {}
    for name, gguf in files:
        number = gguf.whole("split.no")
        if number is None or not 0 <= number < count:
            raise SplitError(f"{name}: split.no is {number} of {count} parts")
        if number in parts:
            raise SplitError(f"{name} and {parts[number]} are the same part")
        parts[number] = name
    missing = [str(number + 1) for number in range(count) if number not in parts]
    if missing:
        raise SplitError(f"the model has {count} parts, and these are missing: {', '.join(missing[:20])}")
    tensors = {gguf.whole("split.tensors.count") for _, gguf in files} - {None}
    if tensors and tensors != {sum(len(gguf.tensors) for _, gguf in files)}:
        raise SplitError("the parts do not have the number of tensors that they state (split.tensors.count)")
    return [parts[number] for number in range(count)]


def linked_parts(paths: Sequence[Path], root: Path) -> Path:
    """Return the first of links to ``paths``, made under ``root`` with the names that llama.cpp looks for.

    Their directory is called after all of them: models may have the first part, or others, in common. Raises
    ``StorageError`` where they are not there yet and cannot be made.
    """
    directory = root / SPLIT / hashlib.sha256("\n".join(path.name for path in paths).encode()).hexdigest()
    names = [f"model-{number:05d}-of-{len(paths):05d}.gguf" for number in range(1, len(paths) + 1)]
    make_links(directory, dict(zip(names, paths, strict=True)))
    return directory / names[0]


def parts_beside(first: Path) -> list[Path]:
    """Return the parts of a model by the link to its first; of another file that alone."""
    name, separator, count = first.name.partition("-00001-of-")
    return sorted(first.parent.glob(f"{name}-?????-of-{count}")) if separator else [first]
