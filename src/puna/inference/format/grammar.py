"""Context-free grammars in llama.cpp's notation (GBNF), which both engines follow and neither leaves out in silence.

llama.cpp follows a grammar with a stack for each way that the text so far can be read. So rules are made such that
there are few: automata are deterministic, texts to choose from are a trie, and a counted repetition is a number of
rules that grows with the logarithm of its bounds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from puna.inference.format.automaton import Automaton, State
from puna.inference.format.charset import Ranges
from puna.inference.format.errors import Budget

_CHAIN = 8
"""A repetition of up to so many is written out."""
_LITERAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.,:;/+*=<>()!?%&#'@{}|~-")


@dataclass(frozen=True, slots=True)
class Rule:
    """The name of a rule."""

    number: int


class Spelling(Protocol):
    """How letters are written inside a text; equal ones have equal hashes."""

    def letters(self, allowed: Ranges) -> Iterable[str]:
        """Yield the terminals for one letter of a set."""
        ...


Item = str | Rule
Body = tuple[tuple[Item, ...], ...]
"""Alternatives; in each terminals, as they are written, and rules, one after another."""


def literal(text: str) -> str:
    """Return the terminal for exactly this text."""
    return '"' + "".join(letter if letter in _LITERAL else _code(ord(letter)) for letter in text) + '"'


def one_of(allowed: Ranges) -> str:
    """Return the terminal for one character out of a set."""
    pairs = (_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in allowed)
    return f"[{''.join(pairs)}]"


def _code(code: int) -> str:
    letter = chr(code)
    if letter.isascii() and letter.isalnum():
        return letter
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


class Grammar:
    """Rules that are added one by one; equal ones are one."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._bodies: list[Body | None] = []
        self._known: dict[Body, Rule] = {}
        self._counted: dict[tuple[str, Item, int], Item] = {}
        self.made: dict[tuple[object, ...], Rule] = {}
        """Rules that others have made, by what they were made from, to be used again."""
        self._languages: dict[tuple[int, tuple[Item, ...], Spelling], tuple[Automaton, Rule]] = {}

    def add(self, body: Iterable[Sequence[Item]]) -> Rule:
        """Add a rule."""
        alternatives = tuple(dict.fromkeys(tuple(alternative) for alternative in body))
        found = self._known.get(alternatives)
        if found is None:
            found = self._known[alternatives] = self.reserve()
            self.define(found, alternatives)
        return found

    def reserve(self) -> Rule:
        """Return the name of a rule that is defined later."""
        self.budget.spend()
        self._bodies.append(None)
        return Rule(len(self._bodies) - 1)

    def define(self, rule: Rule, body: Iterable[Sequence[Item]]) -> None:
        """Say what a reserved rule is."""
        alternatives = tuple(dict.fromkeys(tuple(alternative) for alternative in body))
        self.budget.spend(sum(map(len, alternatives)))
        self._bodies[rule.number] = alternatives

    def text(self, root: Rule) -> str:
        """Return the grammar as it is sent; "" if nothing follows it.

        Alternatives that could never come to an end are left out.
        """
        ending = self._ending()
        if root.number not in ending:
            return ""
        lines: dict[int, str] = {}
        waiting = [root.number]
        while waiting:
            number = waiting.pop()
            if number in lines:
                continue
            written = []
            for alternative in self._bodies[number] or ():
                inner = [item.number for item in alternative if isinstance(item, Rule)]
                if all(one in ending for one in inner):
                    waiting += inner
                    items = (f"r{item.number}" if isinstance(item, Rule) else item for item in alternative)
                    written.append(" ".join(items) or '""')
            lines[number] = f"r{number} ::= {' | '.join(written)}"
        return "\n".join([f"root ::= r{root.number}", *(lines[number] for number in sorted(lines))])

    def _ending(self) -> set[int]:
        """Return the rules that some finite text follows."""
        ending: set[int] = set()
        users: dict[int, set[int]] = {}
        for number, body in enumerate(self._bodies):
            for alternative in body or ():
                for item in alternative:
                    if isinstance(item, Rule):
                        users.setdefault(item.number, set()).add(number)
        waiting = list(range(len(self._bodies)))
        while waiting:
            number = waiting.pop()
            if number not in ending and any(
                all(item.number in ending for item in alternative if isinstance(item, Rule))
                for alternative in self._bodies[number] or ()
            ):
                ending.add(number)
                waiting += users.get(number, ())
        return ending

    def counted(self, item: Item, least: int, most: int | None) -> list[Item]:
        """Return ``least`` to ``most`` times the same; ``None`` is without end."""
        exact = self._exactly(item, least)
        if most is None:
            star = self.reserve()
            self.define(star, [[item, star], []])
            return [*exact, self._shared("star", item, 0, star)]
        return [*exact, self._up_to(item, most - least)] if most > least else exact

    def _shared(self, kind: str, item: Item, count: int, made: Item) -> Item:
        return self._counted.setdefault((kind, item, count), made)

    def _exactly(self, item: Item, count: int) -> list[Item]:
        if count <= _CHAIN:
            return [item] * count
        half = self._exactly(item, count // 2)
        twice: list[Item] = [self._shared("exactly", item, count // 2, self.add([half]))] * 2
        return [*twice, *([item] if count % 2 else [])]

    def _up_to(self, item: Item, count: int) -> Item:
        found = self._counted.get(("up to", item, count))
        if found is not None:
            return found
        if count <= _CHAIN:
            made = self.add([[]])
            for _ in range(count):
                made = self.add([[item, made], []])
        else:
            # Each number is written in one way only: at least half of the next power of two, or less than that.
            high = 1 << (count.bit_length() - 1)
            made = self.add(
                [[*self._exactly(item, high), self._up_to(item, count - high)], [self._up_to(item, high - 1)]]
            )
        return self._shared("up to", item, count, made)

    def choice(self, texts: Iterable[str], after: Sequence[Item] = ()) -> Rule:
        """Return one of the texts, which are told apart letter by letter."""
        return self._choice(sorted(set(texts)), 0, tuple(after))

    def _choice(self, texts: list[str], start: int, after: tuple[Item, ...]) -> Rule:
        body: list[tuple[Item, ...]] = []
        index = 0
        while index < len(texts):
            text = texts[index]
            if len(text) == start:
                body.append(after)
                index += 1
                continue
            end = index
            while end < len(texts) and texts[end][start] == text[start]:
                end += 1
            common = _common(text, texts[end - 1])
            self.budget.spend(common - start + end - index)
            piece = literal(text[start:common])
            if end - index == 1:
                body.append((piece, *after))
            else:
                body.append((piece, self._choice(texts[index:end], common, after)))
            index = end
        return self.add(body)

    def language(self, found: Automaton, end: Sequence[Item] = (), *, spelling: Spelling) -> Rule:
        """Return the words of an automaton, then ``end``."""
        if found.is_empty:
            return self.add([])
        key = (id(found), tuple(end), spelling)
        if key in self._languages:
            return self._languages[key][1]
        names = [self.reserve() for _ in found.states]
        for name, state in zip(names, found.states, strict=True):
            self.define(name, self._state(state, names, tuple(end), spelling))
        self._languages[key] = (found, names[0])
        return names[0]

    def _state(
        self, state: State, names: list[Rule], end: tuple[Item, ...], spelling: Spelling
    ) -> Iterable[Sequence[Item]]:
        if state.counted:
            once, least, most = state.counted
            yield [*self.counted(self.language(once, spelling=spelling), least, most), *end]
            return
        for allowed, target in state.edges:
            for terminal in spelling.letters(allowed):
                yield [terminal, names[target]]
        if state.accepting:
            yield end


def _common(first: str, last: str) -> int:
    """Return how many letters two texts begin with in common."""
    length = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        length += 1
    return length
