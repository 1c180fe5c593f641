"""Regular expressions of JSON Schemas (ECMA-262's, with the flag u) as regular languages.

A pattern may match anywhere in a text unless it has anchors. Look-aheads are intersections with what follows them, so
they can be read wherever nothing repeats them; what is not regular (``\\1``) or looks back is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from puna.inference.format.charset import ANY, Ranges, complement, of, ranges, span, union
from puna.inference.format.errors import UnsupportedKeywordError
from puna.inference.format.regex import Regex, Regexes

_SPACE = union(of("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"), span("\u2000", "\u200a"))
_DIGIT = span("0", "9")
_WORD = union(span("a", "z"), span("A", "Z"), _DIGIT, of("_"))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CLASSES |= {name.upper(): complement(letters) for name, letters in _CLASSES.items()}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "f": "\f", "0": "\0"}
_DOT = complement(of("\n\r\u2028\u2029"))
_QUANTIFIER = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_NO_LEAST = re.compile(r"\{,\d+\}")
"""A repetition for Python and Rust, letters for JavaScript, an error with the flag u."""
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}")
_GROUP = re.compile(r"\?(?::|P?<[A-Za-z_]\w*>)")
"""A group in which nothing is looked for again; with a P it is named as in Python and Rust."""
_LONGEST = 4096
_DEEPEST = 40

Tree = tuple[Any, ...]


def pattern_language(regexes: Regexes, pattern: str) -> Regex:
    """Return the texts in which the pattern is found. Raises ``UnsupportedKeywordError`` for ``pattern``."""
    if len(pattern) > _LONGEST:
        raise UnsupportedKeywordError("pattern", f"longer than {_LONGEST} characters")
    tree = _Reader(pattern).read()
    translate = _Translation(regexes, pattern).translate
    at_start = translate(tree, regexes.anything, True)
    later = translate(tree, regexes.anything, False)
    return regexes.either([at_start, regexes.sequence([regexes.chars(ANY), regexes.anything, later])])


class _Reader:
    """Reads a pattern into a tree of ("chars", set), ("all", parts), ("any", parts), ("repeat", part, least, most),
    ("look", part, positive), ("begin",) and ("end",)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0

    def read(self) -> Tree:
        """Return the tree."""
        tree = self._alternatives()
        if self._position < len(self._text):
            self._refuse("a ) too many")
        return tree

    def _refuse(self, reason: str) -> NoReturn:
        raise UnsupportedKeywordError("pattern", f"{self._text[:80]!r}: {reason}")

    def _alternatives(self) -> Tree:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else ("any", parts)

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self._position < len(self._text) and self._text[self._position] not in "|)":
            parts.append(self._repeated(self._atom()))
        return ("all", parts)

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._position):
            return False
        self._position += len(text)
        return True

    def _next(self) -> str:
        if self._position >= len(self._text):
            self._refuse("it ends too early")
        self._position += 1
        return self._text[self._position - 1]

    def _atom(self) -> Tree:
        letter = self._next()
        match letter:
            case "(":
                return self._group()
            case "[":
                return ("chars", self._class())
            case ".":
                return ("chars", _DOT)
            case "^":
                return ("begin",)
            case "$":
                return ("end",)
            case "\\":
                found = self._escaped()
                return ("chars", of(found) if isinstance(found, str) else found)
            case "*" | "+" | "?":
                self._refuse(f"{letter} with nothing before it")
        return ("chars", of(letter))

    def _group(self) -> Tree:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse("too many groups in each other")
        make: Callable[[Tree], Tree] = lambda tree: tree  # noqa: E731 - the two others are as short
        if self._take("?="):
            make = lambda tree: ("look", tree, True)  # noqa: E731
        elif self._take("?!"):
            make = lambda tree: ("look", tree, False)  # noqa: E731
        elif found := _GROUP.match(self._text, self._position):
            self._position = found.end()
        elif self._take("?"):
            self._refuse("a group of a kind that cannot be enforced")
        tree = self._alternatives()
        if not self._take(")"):
            self._refuse("a ) is missing")
        self._depth -= 1
        return make(tree)

    def _repeated(self, atom: Tree) -> Tree:
        least: int
        most: int | None
        if self._take("*"):
            least, most = 0, None
        elif self._take("+"):
            least, most = 1, None
        elif self._take("?"):
            least, most = 0, 1
        elif found := _QUANTIFIER.match(self._text, self._position):
            if max(len(found[1]), len(found[3] or "")) > 9:
                self._refuse("a repetition without measure")
            self._position = found.end()
            least = int(found[1])
            most = least if not found[2] else int(found[3]) if found[3] else None
            if most is not None and most < least:
                self._refuse("a repetition with its bounds exchanged")
        elif _NO_LEAST.match(self._text, self._position):
            self._refuse("a repetition without its least number")
        else:
            return atom
        if atom[0] in ("begin", "end", "look"):
            self._refuse("an anchor that is repeated")
        self._take("?")  # lazy or not, the words are the same
        if self._text.startswith(("*", "+", "?"), self._position):
            self._refuse("a repetition of a repetition")
        return ("repeat", atom, least, most)

    def _escaped(self, *, in_class: bool = False) -> Ranges | str:
        if found := _HEX.match(self._text, self._position):
            self._position = found.end()
            code = int(found[1] or found[2] or found[3], 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                self._refuse("an escape that is no character")
            return chr(code)
        letter = self._next()
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter in _CONTROLS and not (letter == "0" and self._text[self._position : self._position + 1].isdigit()):
            return _CONTROLS[letter]
        if in_class and letter == "b":
            return "\b"
        if letter.isalnum() or not letter.isascii():
            self._refuse(f"\\{letter}")
        return letter

    def _class(self) -> Ranges:
        negated = self._take("^")
        found: list[Ranges] = []
        while not self._take("]"):
            first = self._member()
            if isinstance(first, str) and self._text.startswith("-", self._position):
                if self._text.startswith("-]", self._position):
                    found.append(of(first))
                    continue
                self._position += 1
                last = self._member()
                if not isinstance(last, str) or last < first:
                    self._refuse("a range in a class that is none")
                found.append(ranges([(ord(first), ord(last))]))
            else:
                found.append(of(first) if isinstance(first, str) else first)
        return complement(union(*found)) if negated else union(*found)

    def _member(self) -> Ranges | str:
        letter = self._next()
        return self._escaped(in_class=True) if letter == "\\" else letter


@dataclass(frozen=True, slots=True)
class _Translation:
    """From a tree to the language of what it matches, together with all that follows."""

    regexes: Regexes
    pattern: str

    def translate(self, tree: Tree, after: Regex, start: bool | None) -> Regex:
        """Return the texts that begin with a match and go on with ``after``.

        ``start`` tells whether nothing of the text lies before them; ``None``: that depends.
        """
        regexes = self.regexes
        match tree[0]:
            case "chars":
                return regexes.join(regexes.chars(tree[1]), after)
            case "all":
                return self._sequence(tree[1], after, start)
            case "any":
                return regexes.either([self.translate(part, after, start) for part in tree[1]])
            case "repeat":
                _, part, least, most = tree
                if not _has_place(part):
                    return regexes.join(regexes.repeat(self._plain(part), least, most), after)
                if (least, most) == (0, 1):
                    return regexes.either([self.translate(part, after, start), after])
                if (least, most) == (1, 1):
                    return self.translate(part, after, start)
                raise UnsupportedKeywordError("pattern", f"{self.pattern[:80]!r}: an anchor that is repeated")
            case "look":
                inside = self.translate(tree[1], regexes.anything, start)
                return regexes.both([inside if tree[2] else regexes.negate(inside), after])
            case "begin":
                if start is None:
                    raise UnsupportedKeywordError("pattern", f"{self.pattern[:80]!r}: ^ where it stands")
                return after if start else regexes.nothing
        return regexes.empty if after.nullable else regexes.nothing

    def _sequence(self, parts: list[Tree], after: Regex, start: bool | None) -> Regex:
        starts = []
        for part in parts:
            starts.append(start)
            least, most = _length(part)
            if least:
                start = False
            elif most and start:
                start = None
        for part, begins in zip(reversed(parts), reversed(starts), strict=True):
            after = self.translate(part, after, begins)
        return after

    def _plain(self, tree: Tree) -> Regex:
        return self.translate(tree, self.regexes.empty, False)


def _has_place(tree: Tree) -> bool:
    """Return whether a part of the tree says something about where it stands."""
    match tree[0]:
        case "all" | "any":
            return any(_has_place(part) for part in tree[1])
        case "repeat":
            return _has_place(tree[1])
    return bool(tree[0] != "chars")


def _length(tree: Tree) -> tuple[int, bool]:
    """Return the least length of what the tree matches, and whether it can have any."""
    match tree[0]:
        case "chars":
            return 1, True
        case "all":
            lengths = [_length(part) for part in tree[1]]
            return sum(least for least, _ in lengths), any(some for _, some in lengths)
        case "any":
            lengths = [_length(part) for part in tree[1]]
            return min(least for least, _ in lengths), any(some for _, some in lengths)
        case "repeat":
            least, some = _length(tree[1])
            return least * tree[2], some and tree[3] != 0
    return 0, False
