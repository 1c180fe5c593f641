"""The types of the values in a file, which a header's values do not tell."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from puna.models.gguf import GGUFError, GGUFFile
from puna.models.gguf_types import ValueType

_HEAD = struct.Struct("<IIQ")
_TYPES = frozenset(map(int, ValueType))


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value; of an array also that of its elements, how many there are, and where they begin."""

    type: int
    element: int = 0
    length: int = 0
    offset: int = 0

    @property
    def is_array(self) -> bool:
        """Return whether it is an array."""
        return self.type == ValueType.ARRAY

    @property
    def name(self) -> str:
        """Return what the type is called."""
        return f"an array of {_name(self.element)}" if self.is_array else _name(self.type)


def _name(kind: int) -> str:
    return ValueType(kind).name.lower()


def kinds(gguf: GGUFFile, *keys: str) -> Mapping[str, Kind]:
    """Return the types by key: of all, or of those of ``keys`` that are there.

    Returns none for a header that was made and lies nowhere. Raises ``GGUFError``.
    """
    found: dict[str, Kind] = {}
    asked = [key for key in keys or gguf.spans if key in gguf.spans]
    if not asked:
        return found
    with gguf.path.open("rb", buffering=0) as file:
        for key in asked:
            start, _ = gguf.spans[key]
            at = start + 8 + len(key.encode())
            file.seek(at)
            head = file.read(_HEAD.size).ljust(_HEAD.size, b"\0")
            kind, element, length = _HEAD.unpack(head)
            is_array = kind == ValueType.ARRAY
            if kind not in _TYPES or (is_array and element not in _TYPES):
                raise GGUFError("the file changed while it was read")
            found[key] = Kind(kind, element, length, at + _HEAD.size) if is_array else Kind(kind)
    return found
