"""Grammars that callers write themselves (the option ``grammar``): read here before the engine reads them.

llama.cpp follows a grammar with a stack for each way that the text so far can be read, and has no bound on their
number; nor has it one on what a repetition is written out to. So both are bounded here.
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn

from puna.errors import BadRequestError
from puna.inference.format.charset import ANY, Ranges, complement, intersection, of, ranges

LONGEST = 1 << 16
_MOST_ELEMENTS = 20_000
_MOST_TIMES = 1_000
_DEEPEST = 50
_BLANK = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEAD = re.compile(r"([A-Za-z0-9-]+)[ \t]*::=")
_TIMES = re.compile(r"\{\s*+(\d{1,9})\s*+(?:(,)\s*+(\d{1,9})?\s*+)?\}")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([trn\\\"\[\]-]))")
_CONTROLS = {"t": "\t", "r": "\r", "n": "\n"}
_TOKEN = re.compile(r"!?<[^<>\n]{1,200}>")
_SAID: Ranges = complement(((0, 0),))
"""What llama.cpp can follow: for it a NUL is the end of a text."""

Element = str | Ranges
"""The name of a rule, or the characters of which one follows."""
Alternatives = list[tuple[Element, ...]]


class GrammarError(BadRequestError):
    """A grammar that cannot be read, or that would take too much."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"option 'grammar': {reason}")


def read_grammar(text: str) -> dict[str, Alternatives]:
    """Return the rules of a grammar, with groups and repetitions as rules of their own. Raises ``GrammarError``."""
    if len(text) > LONGEST:
        raise GrammarError(f"longer than {LONGEST} characters")
    rules = _Reader(text).read()
    if "root" not in rules:
        raise GrammarError("it has no rule root")
    used = {element for body in rules.values() for one in body for element in one if isinstance(element, str)}
    if missing := used - rules.keys():
        raise GrammarError(f"the rule {min(missing)[:80]} is not there")
    return rules


@dataclass(slots=True)
class _Reader:
    """Reads the notation."""

    text: str
    position: int = 0
    depth: int = 0
    elements: int = 0
    rules: dict[str, Alternatives] = field(default_factory=dict)

    def read(self) -> dict[str, Alternatives]:
        """Return the rules."""
        self._skip(lines=True)
        while self.position < len(self.text):
            head = _HEAD.match(self.text, self.position)
            if not head:
                self._refuse("a rule (name ::= …)")
            self.position = head.end()
            self._skip(lines=True)
            if head[1] in self.rules:
                raise GrammarError(f"the rule {head[1][:80]} is there twice")
            self.rules[head[1]] = []
            self.rules[head[1]] = self._alternatives()
            self._skip(lines=True)
        return self.rules

    def _refuse(self, expected: str) -> NoReturn:
        line = self.text.count("\n", 0, self.position) + 1
        raise GrammarError(f"line {line}: expected {expected} at {self.text[self.position : self.position + 20]!r}")

    def _skip(self, *, lines: bool = False) -> None:
        """Skip what means nothing. A rule ends with its line, but for what is in a group or comes after a bar."""
        found = (_BLANK_LINES if lines or self.depth else _BLANK).match(self.text, self.position)
        self.position = found.end() if found else self.position

    def _count(self, elements: int) -> None:
        self.elements += elements
        if self.elements > _MOST_ELEMENTS:
            raise GrammarError("too large")

    def _alternatives(self) -> Alternatives:
        found = [self._sequence()]
        while self.text.startswith("|", self.position):
            self.position += 1
            self._skip(lines=True)
            found.append(self._sequence())
        return found

    def _sequence(self) -> tuple[Element, ...]:
        found: list[Element] = []
        while self.position < len(self.text):
            part = self._part()
            if part is None:
                break
            self._skip()
            part = self._repeated(part)
            self._count(len(part) + 1)
            found += part
        return tuple(found)

    def _part(self) -> list[Element] | None:
        letter = self.text[self.position]
        if letter == '"':
            return self._literal()
        if letter == "[":
            return [self._class()]
        if letter == ".":
            self.position += 1
            return [ANY]
        if letter == "(":
            return self._group()
        if found := _TOKEN.match(self.text, self.position):
            self.position = found.end()
            return [ANY]  # a token by its name or number: its letters are not known here
        if found := _NAME.match(self.text, self.position):
            self.position = found.end()
            return [found[0]]
        if letter not in "|)\r\n":
            self._refuse("an element of a rule")
        return None

    def _group(self) -> list[Element]:
        self.position += 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise GrammarError("too many groups in each other")
        self._skip()
        body = self._alternatives()
        if not self.text.startswith(")", self.position):
            self._refuse(")")
        self.position += 1
        self.depth -= 1
        return [self._own(body)]

    def _own(self, body: Alternatives) -> str:
        """Give a group a rule of its own; no name of a caller has a blank in it."""
        name = f"group {len(self.rules)}"
        self.rules[name] = body
        return name

    def _repeated(self, part: list[Element]) -> list[Element]:
        times = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self.text[self.position : self.position + 1])
        length = 1
        if times is None:
            found = _TIMES.match(self.text, self.position)
            if not found:
                if self.text.startswith("{", self.position):
                    self._refuse("{number}, {least,} or {least,most}")
                return part
            least = int(found[1])
            times = (least, least if not found[2] else int(found[3]) if found[3] else None)
            length = found.end() - self.position
        self.position += length
        self._skip()
        least, most = times
        if most is not None and most < least:
            raise GrammarError(f"the repetition {{{least},{most}}} has its bounds exchanged")
        if max(least, most or 0) > _MOST_TIMES:
            raise GrammarError(f"a repetition of more than {_MOST_TIMES}")
        *before, last = part if part else [self._own([()])]
        if len(part) > 1:  # of a text in quotes llama.cpp repeats all
            before, last = [], self._own([tuple(part)])
        return [*before, *self._times(last, least, most)]

    def _times(self, item: Element, least: int, most: int | None) -> list[Element]:
        self._count(least if most is None else most)
        if most is None:
            star = self._own([])
            self.rules[star] = [(item, star), ()]
            return [*[item] * least, star]
        more: list[Element] = []
        for _ in range(most - least):
            more = [self._own([(item, *more), ()])]
        return [*[item] * least, *more]

    def _literal(self) -> list[Element]:
        self.position += 1
        found: list[Element] = []
        while not self.text.startswith('"', self.position):
            start = self.position
            found.append(self._said(of(self._letter()), start))
        self.position += 1
        return found

    def _class(self) -> Ranges:
        start = self.position
        self.position += 1
        negated = self.text.startswith("^", self.position)
        self.position += negated
        pairs: list[tuple[int, int]] = []
        while not self.text.startswith("]", self.position):
            first = last = self._letter()
            if self.text.startswith("-", self.position) and not self.text.startswith("-]", self.position):
                self.position += 1
                last = self._letter()
            pairs.append((ord(first), ord(last)))
        self.position += 1
        inside = ranges(pair for pair in pairs if pair[0] <= pair[1])
        return self._said(complement(inside) if negated else inside, start)

    def _said(self, letters: Ranges, start: int) -> Ranges:
        """Return what of the letters a text can have; raise for none, which the engine would only notice midway."""
        found = intersection(letters, _SAID)
        if not found:
            self.position = start
            self._refuse("a letter that a text can have")
        return found

    def _letter(self) -> str:
        if self.position >= len(self.text):
            self._refuse("an end of the text or class")
        if not self.text.startswith("\\", self.position):
            self.position += 1
            return self.text[self.position - 1]
        found = _ESCAPE.match(self.text, self.position)
        if not found:
            self._refuse("an escape that is known")
        self.position = found.end()
        if found[4]:
            return _CONTROLS.get(found[4], found[4])
        code = int(found[1] or found[2] or found[3], 16)
        if code > 0x10FFFF:
            self._refuse("a character")
        return chr(code)
