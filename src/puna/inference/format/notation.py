"""How values are written inside calls: as JSON, or in the words of a family that are like it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from puna.inference.format.charset import Ranges, complement, intersection, of, ranges, union
from puna.inference.format.errors import FormatError
from puna.inference.format.grammar import literal, one_of

_RAW = complement(ranges([(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C)]))
_NOT_NUL = complement(((0, 0),))
_ESCAPES = {'"': '"', "\\": "\\", "\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_PYTHON = ('"', "\\", "\n", "\r", "\t")


@dataclass(frozen=True, slots=True)
class Notation:
    """How texts and the keys of objects are written; all else is as in JSON.

    ``quote`` stands around texts; in those without ``escapes`` ("json", "python") all letters stand for themselves.
    ``bare`` keys have no quotes, and without ``lines`` all stands on one. What is ``never`` in a text would end the
    call that it is in.
    """

    quote: str = '"'
    escapes: str = "json"
    bare: bool = False
    never: tuple[str, ...] = ()
    lines: bool = True

    @property
    def avoided(self) -> Ranges:
        """Return the letters that what is never in a text begins with."""
        return of("".join(mark[:1] for mark in self.marks))

    @property
    def marks(self) -> tuple[str, ...]:
        """Return what is never in a text, the quote that nothing can escape included."""
        return self.never if self.escapes or not self.quote else (*self.never, self.quote)

    @property
    def raw(self) -> Ranges:
        """Return the letters that may stand for themselves, but for those avoided."""
        return _RAW if self.escapes else _NOT_NUL

    def letters(self, allowed: Ranges) -> Iterable[str]:
        """Yield the terminals for one letter of a set inside a text, avoiding what could be the beginning of a mark.

        Those that need an escape have their short one; control characters without one are left out.
        """
        if raw := intersection(intersection(allowed, self.raw), complement(self.avoided)):
            yield one_of(raw)
        if not self.escapes:
            return
        escapes = _ESCAPES if self.escapes == "json" else {letter: _ESCAPES[letter] for letter in _PYTHON}
        escaped = [short for letter, short in escapes.items() if intersection(of(letter), allowed)]
        if escaped:
            yield f"{literal(chr(92))} {one_of(of(''.join(escaped)))}"
        if self.escapes == "json":
            for low, high in intersection(allowed, self.avoided):
                for code in range(low, high + 1):
                    yield literal(f"\\u{code:04x}")

    @property
    def writable(self) -> Ranges:
        """Return the letters that ``letters`` has terminals for."""
        plain = intersection(self.raw, complement(self.avoided))
        if self.escapes == "json":
            return union(plain, of("".join(_ESCAPES)), self.avoided)
        return union(plain, of("".join(_PYTHON))) if self.escapes else plain

    def written(self, value: Any) -> str:
        """Return a value as it is written; raise ``FormatError`` for one that cannot be."""
        match value:
            case str():
                return f"{self.quote}{self._text(value)}{self.quote}"
            case dict():
                items = (f"{self._key(key)}:{self.written(item)}" for key, item in value.items())
                return "{" + ",".join(items) + "}"
            case list():
                return "[" + ",".join(map(self.written, value)) + "]"
        return orjson.dumps(value).decode()

    def _key(self, key: str) -> str:
        return key if self.bare else self.written(key)

    def _text(self, text: str) -> str:
        if self.escapes == "json":
            said = orjson.dumps(text).decode()[1:-1]
            for mark in self.never:
                said = said.replace(mark, f"\\u{ord(mark[0]):04x}{mark[1:]}")
            return said
        if self.escapes:
            text = "".join(f"\\{_ESCAPES[letter]}" if letter in _PYTHON else letter for letter in text)
        if any(mark in text for mark in self.marks):
            raise FormatError("a value holds what ends a call")
        return text


JSON = Notation()
PLAIN = Notation(quote="", escapes="")
"""Texts without quotes, and numbers."""
