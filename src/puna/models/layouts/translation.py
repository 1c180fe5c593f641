"""A translated file: a new header, then what of the old file's data is used. It is laid out here and written anywhere.

llama.cpp refuses a file with a gap in its data or with tensors that nobody claims, so what is hidden is left out, and
the rest moves up. Data that lie side by side in both files are copied in one piece.
"""

import errno
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from puna.models.gguf import GGUFFile
from puna.models.gguf_checks import check_fields
from puna.models.gguf_types import GGUFError, TensorInfo, ValueType
from puna.models.layouts.edit import Edit, Made, Part, Slice, read_exactly
from puna.models.layouts.families import ALL
from puna.models.layouts.layout import Layout, Step
from puna.models.layouts.values import text

_VERSION = 3
_COPY_BYTES = 64 << 20
_FILLER = "puna.filler"
_LIES = (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError, struct.error)
"""What Python says where a number, a text or an array was expected, or another one."""
BLOCK = 4096
"""The unit in which file systems share data between files."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part of the result and where it goes."""

    offset: int
    part: Part


@dataclass(frozen=True, slots=True)
class Translation:
    """A file of one layout as another: ``gguf`` is the header of the result, whose ``path`` is the original's."""

    layout: str
    gguf: GGUFFile
    header: bytes
    parts: tuple[_Placed, ...]
    size: int

    def write(self, target: int) -> None:
        """Write the whole file to an open, empty file; raise ``GGUFError`` if the original is not what it was."""
        os.ftruncate(target, self.size)
        _write_all(target, self.header, 0)
        with self.gguf.path.open("rb") as file:
            source = file.fileno()
            for piece in self.parts:
                if isinstance(piece.part, Slice):
                    _copy(source, piece.part, target, piece.offset)
                else:
                    _write_all(target, self._computed(piece.part, source), piece.offset)

    def _computed(self, part: Made, source: int) -> bytes:
        try:
            return part.make(lambda at, nbytes: read_exactly(source, at, nbytes))
        except GGUFError:
            raise
        except _LIES as error:
            raise _untrue(self.layout, error) from error


def layout_of(gguf: GGUFFile) -> Layout | None:
    """Return the layout of a file, ``None`` if llama.cpp reads it as it is."""
    return next((layout for layout in ALL if layout.fits(gguf)), None)


def language_model(gguf: GGUFFile) -> Translation | None:
    """Return the model itself in llama.cpp's layout, ``None`` if it has that; raise ``GGUFError`` if it cannot be."""
    layout = layout_of(gguf)
    return None if layout is None else _laid_out(layout.name, _edited(gguf, layout))


def as_engine_sees(gguf: GGUFFile) -> GGUFFile:
    """Return the header of a model's file as the engine gets it; the tensors are where they are in the original."""
    layout = layout_of(gguf)
    return gguf if layout is None else _header_of(_edited(gguf, layout))


def _header_of(edit: Edit) -> GGUFFile:
    tensors = tuple(TensorInfo(name, item.shape, item.type, 0, item.nbytes) for name, item in edit.tensors.items())
    return replace(edit.gguf, metadata=dict(edit.keys), spans={}, tensors=tensors)


def has_projector(gguf: GGUFFile) -> bool:
    """Return whether what sees or hears lies in the model's own file."""
    layout = layout_of(gguf)
    return layout is not None and layout.has_projector(gguf)


def _edited(gguf: GGUFFile, layout: Layout) -> Edit:
    edit = Edit(gguf)
    _take(layout.text, edit, layout.name)
    return edit


def _take(steps: Iterable[Step], edit: Edit, name: str) -> None:
    """Take the steps of a layout, which rely on what a header says; raise ``GGUFError`` where it cannot be true."""
    try:
        for step in steps:
            step(edit)
    except GGUFError:
        raise
    except _LIES as error:
        raise _untrue(name, error) from error


def _untrue(name: str, error: Exception) -> GGUFError:
    return GGUFError(f"what its header says does not fit the layout {name} ({error})")


def projector(gguf: GGUFFile) -> Translation | None:
    """Return the projector that lies in a model's file as one of its own, ``None`` if there is none."""
    layout = layout_of(gguf)
    if layout is None or not layout.has_projector(gguf):
        return None
    return _laid_out(layout.name, _projector_edited(gguf, layout))


def projector_as_engine_sees(gguf: GGUFFile) -> GGUFFile:
    """Return the same of a projector; ``gguf`` is the header of its own file, or of the model's in which it lies."""
    layout = layout_of(gguf)
    if layout is None or not layout.has_projector(gguf):
        return as_engine_sees(gguf)
    return _header_of(_projector_edited(gguf, layout))


def _projector_edited(gguf: GGUFFile, layout: Layout) -> Edit:
    edit = Edit(gguf)
    edit.hide(lambda name: not name.startswith(layout.senses))
    edit.set("general.type", "mmproj")
    _take(layout.projector, edit, layout.name)
    for key in [key for key in edit.keys if not key.startswith(("clip.", "general."))]:
        edit.drop(key)
    edit.set("general.architecture", "clip")
    return edit


def _laid_out(name: str, edit: Edit) -> Translation:
    alignment = edit.gguf.alignment
    offset, infos, parts = 0, [], []
    tensors = []
    for tensor_name, tensor in edit.tensors.items():
        infos.append(
            text(tensor_name)
            + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
            + struct.pack("<IQ", tensor.type.id, offset)
        )
        tensors.append(TensorInfo(tensor_name, tensor.shape, tensor.type, offset, tensor.nbytes))
        at = offset
        for part in tensor.data:
            parts.append(_Placed(at, part))
            at += part.nbytes
        offset += -(-tensor.nbytes // alignment) * alignment
    edit.drop(_FILLER)  # of a file that was made so
    entries = [text(key) + edit.raw(key) for key in edit.keys]
    header = _header(entries, infos, alignment, _congruence(parts))
    start = len(header)
    placed = tuple(_merged([_Placed(start + piece.offset, piece.part) for piece in parts], alignment))
    gguf = GGUFFile(
        path=edit.gguf.path,
        version=_VERSION,
        metadata=dict(edit.keys),
        spans={},
        tensors=tuple(
            TensorInfo(item.name, item.shape, item.type, start + item.offset, item.nbytes) for item in tensors
        ),
        alignment=alignment,
        data_offset=start,
        file_size=start + offset,
    )
    check_fields(gguf.metadata, gguf.tensors)
    return Translation(name, gguf, header, placed, start + offset)


def _header(entries: list[bytes], infos: list[bytes], alignment: int, congruent: int | None) -> bytes:
    """Return the header; with ``congruent`` so filled that the data begin at that offset within a block."""
    head = b"GGUF" + struct.pack("<IQQ", _VERSION, len(infos), len(entries) + 1)
    body = b"".join(entries)
    info = b"".join(infos)
    empty = text(_FILLER) + struct.pack("<I", ValueType.STRING) + text("")
    end = len(head) + len(body) + len(empty) + len(info)
    fill = 0 if congruent is None else (congruent - end) % BLOCK
    filler = text(_FILLER) + struct.pack("<I", ValueType.STRING) + text(" " * fill)
    header = head + body + filler + info
    return header + b"\0" * (-len(header) % alignment)


def _congruence(parts: list[_Placed]) -> int | None:
    """Return where in a block the data must begin for what is copied first to lie in both files alike."""
    return next((piece.part.offset - piece.offset for piece in parts if isinstance(piece.part, Slice)), None)


def _merged(pieces: list[_Placed], alignment: int) -> Iterator[_Placed]:
    """Yield the pieces, those as one that follow each other, their padding included, in both files."""
    pending: _Placed | None = None
    for piece in pieces:
        if pending and isinstance(pending.part, Slice) and isinstance(piece.part, Slice):
            gap = piece.offset - (pending.offset + pending.part.nbytes)
            if 0 <= gap < alignment and piece.part.offset == pending.part.offset + pending.part.nbytes + gap:
                whole = pending.part.nbytes + gap + piece.part.nbytes
                pending = _Placed(pending.offset, Slice(pending.part.offset, whole))
                continue
        if pending:
            yield pending
        pending = piece
    if pending:
        yield pending


def _copy(source: int, part: Slice, target: int, offset: int) -> None:
    """Copy a piece, in the kernel if it can: some file systems then share whole blocks instead of copying them."""
    position, end = part.offset, part.offset + part.nbytes
    shift = offset - part.offset
    for copy in (_within_file_system, _in_kernel, _by_hand):
        while position < end:
            # First up to where a block begins: only whole ones can be shared.
            count = min(-position % BLOCK or _COPY_BYTES, end - position)
            try:
                copied = copy(source, position, target, position + shift, count)
            except (OSError, AttributeError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT):
                    raise
                break  # between these files the kernel cannot
            if not copied:
                break
            position += copied
    if position < end:
        raise GGUFError("the file ends inside its data")


def _within_file_system(source: int, position: int, target: int, offset: int, count: int) -> int:
    return os.copy_file_range(source, target, count, position, offset)


def _in_kernel(source: int, position: int, target: int, offset: int, count: int) -> int:
    os.lseek(target, offset, os.SEEK_SET)
    return os.sendfile(target, source, position, count)


def _by_hand(source: int, position: int, target: int, offset: int, count: int) -> int:
    data = os.pread(source, count, position)
    _write_all(target, data, offset)
    return len(data)


def _write_all(target: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(target, view, offset)
        view, offset = view[written:], offset + written
