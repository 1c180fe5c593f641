"""A GGUF file taken apart, so that anything in it can be changed, and put together again, right or wrong."""

import math
import struct
from dataclasses import dataclass, field
from typing import Any

FLOAT32, STRING, ARRAY = 6, 8, 9
LARGEST_FLOAT32 = 3.4028234663852886e38
CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
LEAST_AND_MOST = {0: (0, 255), 1: (-128, 127), 2: (0, 65535), 3: (-32768, 32767), 4: (0, 2**32 - 1)}
LEAST_AND_MOST |= {5: (-(2**31), 2**31 - 1), 10: (0, 2**64 - 1), 11: (-(2**63), 2**63 - 1)}

WHOLE = tuple(LEAST_AND_MOST)


@dataclass
class Entry:
    """A key with its value: a number, bytes, or for an array a list; ``element`` is the type of what is in that."""

    key: bytes
    kind: int
    value: Any
    element: int = 0


@dataclass
class Tensor:
    """A tensor with its bytes; ``offset`` stands in the file in the place of the right one if it is not ``None``."""

    name: bytes
    shape: list[int]
    kind: int
    data: bytes
    offset: int | None = None


@dataclass
class Parts:
    """A whole file. Counts stand in it in the place of the right ones if they are not ``None``."""

    entries: list[Entry]
    tensors: list[Tensor]
    version: int = 3
    magic: bytes = b"GGUF"
    key_count: int | None = None
    tensor_count: int | None = None
    order: str = "<"
    tail: bytes = b""
    alignment: int = field(default=32)

    def entry(self, key: str) -> Entry | None:
        """Return the entry of a key."""
        return next((entry for entry in self.entries if entry.key == key.encode()), None)

    def put(self, key: str, kind: int, value: Any, element: int = 0) -> None:
        """Give a key a value."""
        old = self.entry(key)
        if old:
            old.kind, old.value, old.element = kind, value, element
        else:
            self.entries.append(Entry(key.encode(), kind, value, element))


def take_apart(data: bytes) -> Parts:
    """Return the parts of a file that is right."""
    version, tensors, keys = struct.unpack_from("<IQQ", data, 4)
    at = 24

    def number(code: str) -> Any:
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize("<" + code)
        return value

    def text() -> bytes:
        nonlocal at
        length = number("Q")
        at += length
        return data[at - length : at]

    def value(kind: int) -> Any:
        return text() if kind == STRING else number(CODES[kind])

    entries = []
    for _ in range(keys):
        key, kind = text(), number("I")
        if kind == ARRAY:
            element, length = number("I"), number("Q")
            entries.append(Entry(key, kind, [value(element) for _ in range(length)], element))
        else:
            entries.append(Entry(key, kind, value(kind)))
    infos = []
    for _ in range(tensors):
        name = text()
        shape = [number("Q") for _ in range(number("I"))]
        infos.append((name, shape, number("I"), number("Q")))
    alignment = next((entry.value for entry in entries if entry.key == b"general.alignment"), 32)
    start = -(-at // alignment) * alignment
    ends = sorted({offset for *_, offset in infos} | {len(data) - start})
    found = []
    for name, shape, kind, offset in infos:
        end = ends[ends.index(offset) + 1]
        found.append(Tensor(name, shape, kind, data[start + offset : start + end]))
    return Parts(entries, found, version, alignment=alignment)


def put_together(parts: Parts) -> bytes:
    """Return the bytes of a file, as wrong as its parts are."""
    order = parts.order

    def text(raw: bytes) -> bytes:
        return struct.pack(order + "Q", len(raw)) + raw

    def value(kind: int, item: Any) -> bytes:
        if kind == STRING:
            return text(item if isinstance(item, bytes) else str(item).encode())
        kind = kind if kind in CODES else 4
        code = CODES[kind]
        if isinstance(item, bytes):
            return item[: struct.calcsize(code)].ljust(struct.calcsize(code), b"\0")
        if not isinstance(item, int | float) or (kind in WHOLE and item != item):
            item = 0
        if kind in LEAST_AND_MOST:
            least, most = LEAST_AND_MOST[kind]
            item = int(min(max(item, least), most))
        elif kind == FLOAT32 and item == item and abs(item) > LARGEST_FLOAT32:
            item = math.copysign(math.inf, item)
        return struct.pack(order + code, item)

    tensor_count = len(parts.tensors) if parts.tensor_count is None else parts.tensor_count
    key_count = len(parts.entries) if parts.key_count is None else parts.key_count
    out = [parts.magic, struct.pack(order + "IQQ", parts.version, tensor_count, key_count)]
    for entry in parts.entries:
        out += [text(entry.key), struct.pack(order + "I", entry.kind)]
        if entry.kind == ARRAY and isinstance(entry.value, list):
            out.append(struct.pack(order + "IQ", entry.element, len(entry.value)))
            out += [value(entry.element, item) for item in entry.value]
        elif entry.kind == ARRAY:
            out.append(struct.pack(order + "IQ", entry.element, 1) + value(entry.element, entry.value))
        else:
            item = entry.value[0] if isinstance(entry.value, list) and entry.value else entry.value
            out.append(value(entry.kind, 0 if isinstance(item, list) else item))
    offset = 0
    for tensor in parts.tensors:
        stated = offset if tensor.offset is None else tensor.offset
        dimensions = struct.pack(f"{order}I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        out += [text(tensor.name), dimensions, struct.pack(order + "IQ", tensor.kind, stated)]
        offset += -(-len(tensor.data) // parts.alignment) * parts.alignment
    head = b"".join(out)
    head += b"\0" * (-len(head) % parts.alignment)
    body = b"".join(tensor.data + b"\0" * (-len(tensor.data) % parts.alignment) for tensor in parts.tensors)
    return head + body + parts.tail
