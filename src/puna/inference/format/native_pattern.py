"""Regular expressions of JSON Schemas, in the part of their language that llama.cpp's grammars take literally.

An expression that llama.cpp does not understand binds nothing, and one with a quote or a backslash in it makes text
that is no JSON. So expressions are read here, and written anew with nothing in them but plain letters, classes, groups,
alternatives and repetitions.
"""

import re
from typing import NoReturn

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " "}
_ANY = r'[^"\\\x7F\x00-\x1F]'
_SPECIAL = set("\\^$.[](){}*+?|")
_REPEATED = re.compile(r"[*+?]|\{\d{1,3}(?:,\d{0,3})?\}")
_BETWEEN_WHOLES = "$|^"
_BREAKING = '"\\'
"""Letters that cannot stand in a text of JSON as they are, in their order."""


class UnsupportedPatternError(Exception):
    """An expression has a part that cannot be written for llama.cpp."""


def native_pattern(pattern: str) -> str:
    """Return the expression for llama.cpp; it matches what ``pattern`` does, or less.

    ``pattern`` must be a valid expression. Raises ``UnsupportedPatternError``.
    """
    if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")) or len(pattern) < 2:
        _refuse("it must begin with ^ and end with $")
    return f"^{_Reader(pattern[1:-1]).read()}$"


def _refuse(reason: str) -> NoReturn:
    raise UnsupportedPatternError(reason)


class _Reader:
    """Reads what stands between the ends of an expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0

    def read(self) -> str:
        """Return the text anew."""
        written = []
        while self._position < len(self._text):
            if not self._depth and self._text.startswith(_BETWEEN_WHOLES, self._position):
                self._position += len(_BETWEEN_WHOLES)
                written.append("|")
                continue
            written.append(self._piece())
        return "".join(written)

    def _piece(self) -> str:
        letter = self._next()
        match letter:
            case "(":
                if self._text.startswith("?", self._position):
                    if not self._text.startswith("?:", self._position):
                        _refuse("a group of a special kind")
                    self._position += 2
                self._depth += 1
                return "("
            case ")":
                self._depth -= 1
                return ")" + self._repetition()
            case "|":
                return "|"
            case "[":
                return self._class() + self._repetition()
            case ".":
                return _ANY + self._repetition()
            case "\\":
                return f"[{self._escaped()}]" + self._repetition()
        if letter in _SPECIAL:
            _refuse(f"{letter} where it stands")
        return f"[{_in_class(letter)}]" + self._repetition()

    def _next(self) -> str:
        if self._position >= len(self._text):
            _refuse("it ends too early")
        self._position += 1
        return self._text[self._position - 1]

    def _escaped(self) -> str:
        letter = self._next()
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter.isalnum() or letter == "_":
            _refuse(f"\\{letter}")
        return _in_class(letter)

    def _class(self) -> str:
        written: list[str] = []
        if self._text.startswith("^", self._position):
            _refuse("a class of letters that are left out")
        while (letter := self._next()) != "]":
            if letter == "\\":
                written.append(self._escaped())
            elif self._text.startswith("-", self._position) and not self._text.startswith("-]", self._position):
                self._position += 1
                written.append(_range(letter, self._next()))
            else:
                written.append(_in_class(letter))
        if not written:
            _refuse("an empty class")
        return f"[{''.join(written)}]"

    def _repetition(self) -> str:
        found = _REPEATED.match(self._text, self._position)
        if not found:
            return ""
        self._position = found.end()
        if self._text.startswith(("?", "+", "*", "{"), self._position):
            _refuse("a repetition of a special kind")
        return found[0]


def _range(first: str, last: str) -> str:
    """Return a range without the quote and the backslash, which end a text of JSON or change it."""
    if last == "\\" or not (first <= last and first.isprintable() and last.isprintable()):
        _refuse(f"the range {first}-{last}")
    inside = [letter for letter in _BREAKING if first <= letter <= last]
    starts = [first, *(chr(ord(letter) + 1) for letter in inside)]
    ends = [*(chr(ord(letter) - 1) for letter in inside), last]
    pairs = zip(starts, ends, strict=True)
    return "".join(f"{_in_class(start)}-{_in_class(end)}" for start, end in pairs if start <= end)


def _in_class(letter: str) -> str:
    if letter in _BREAKING or not letter.isprintable():
        _refuse(f"the letter {letter!r}")
    return {"^": r"\x5E", "]": r"\]", "[": r"\[", "-": r"\-"}.get(letter, letter)
