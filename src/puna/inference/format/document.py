"""A schema as a whole: how large it is, and what its references point to."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from puna.inference.format.errors import FormatError, FormatTooLargeError, UnsupportedKeywordError
from puna.inference.format.keywords import Schema

_MOST_VALUES = 30_000
_DEEPEST = 100
_LONGEST = 1 << 20
"""Bytes, at least, of all texts in the schema together."""


def check_size(schema: Any) -> None:
    """Raise ``FormatTooLargeError`` for a schema with too many values, levels or letters."""
    values = letters = 0
    waiting = [(schema, 1)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        inner: Iterator[Any] = iter(())
        if isinstance(value, Mapping):
            letters += sum(map(len, value))
            inner, count = iter(value.values()), len(value)
        elif isinstance(value, list):
            inner, count = iter(value), len(value)
        else:
            letters += len(value) if isinstance(value, str) else 0
            count = 0
        if values + count + len(waiting) > _MOST_VALUES or letters > _LONGEST or depth > _DEEPEST:
            raise FormatTooLargeError("the schema")
        waiting.extend((one, depth + 1) for one in inner)


class Document:
    """Finds what references of a schema point to: places inside it, by their way (``#/$defs/a``) or anchor."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._anchors: dict[str, Schema] | None = None

    def find(self, reference: str) -> Schema | bool:
        """Return the schema that a reference points to. Raises ``FormatError``."""
        own = self._root.get("$id")
        if isinstance(own, str) and own and reference.startswith(own.split("#")[0]):
            reference = reference[len(own.split("#")[0]) :] or "#"
        if not reference.startswith("#"):
            raise UnsupportedKeywordError("$ref", f"{reference[:80]!r} is outside of the schema")
        place = unquote(reference[1:])
        found: Any = self._by_way(place) if place.startswith("/") or not place else self._by_anchor(place)
        if not isinstance(found, (Mapping, bool)):
            raise FormatError(f"invalid JSON Schema: $ref {reference[:80]!r} points to nothing")
        return found

    def _by_way(self, place: str) -> Any:
        value: Any = self._root
        for step in place.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping):
                value = value.get(name)
            elif isinstance(value, list) and name.isdecimal() and len(name) < 6 and int(name) < len(value):
                value = value[int(name)]
            else:
                return None
            if self._is_document(value):
                raise UnsupportedKeywordError("$id", "inside a schema")
        return value

    def check_place(self, schema: Schema) -> None:
        """Raise for a schema with an ``$id`` of its own: what it refers to is looked for in it, not in the root."""
        if self._is_document(schema) and any("$ref" in one for one in _within(schema)):
            raise UnsupportedKeywordError("$id", "inside a schema")

    def _is_document(self, value: Any) -> bool:
        if value is self._root or not isinstance(value, Mapping):
            return False
        name = value.get("$id")
        return isinstance(name, str) and not name.startswith("#")

    def _by_anchor(self, name: str) -> Any:
        if self._anchors is None:
            self._anchors = {}
            for value in _within(self._root):
                if isinstance(value.get("$anchor"), str):
                    self._anchors.setdefault(value["$anchor"], value)
        return self._anchors.get(name)


def _within(schema: Schema) -> Iterator[Schema]:
    """Yield all objects of a schema, itself the first."""
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
