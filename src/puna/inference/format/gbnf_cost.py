"""What following a caller's grammar costs, before the engine follows it."""

import random
from collections.abc import Iterable

from puna.inference.format.errors import FormatError
from puna.inference.format.gbnf import LONGEST, Alternatives, Element, GrammarError, read_grammar

_MOST_WAYS = 2_000
_TRIES = 4
_LETTERS = 200
_STEPS = 60_000
_STARTS = 8
_INNER = 500
"""Grammars with more rules than this before others are tried from their beginning only."""

Stack = tuple[tuple[Element, ...], "Stack | None"]
"""What must follow: the rest of an alternative, then what is below."""


def check_grammar(text: str) -> None:
    """Raise ``GrammarError`` for a grammar that cannot be read, or can be followed in more ways than are kept in mind.

    Whether there are too many for *some* text cannot be decided; a few texts that lead to many are tried.
    """
    rules = read_grammar(text)
    _Ways(rules).check()
    for attempt in range(_TRIES):
        _try_text(rules, random.Random(attempt))


def check_made(text: str) -> None:
    """Raise ``FormatError`` for the grammar of a schema that can be followed in too many ways at once.

    Alternatives that begin alike and hold each other double the ways with every level: so what holds itself is tried
    apart, however far from the beginning it is.
    """
    if len(text) > LONGEST:
        return
    try:
        rules = read_grammar(text)
        for start in ["root", *_holding_themselves(rules)[:_STARTS]]:
            for attempt in range(_TRIES if start == "root" else 2):
                _try_text(rules, random.Random(attempt), start)
    except GrammarError:
        raise FormatError("the schema has alternatives that begin alike and hold each other") from None


def _holding_themselves(rules: dict[str, Alternatives]) -> list[str]:
    """Return rules that are reached from themselves with something after them; the others keep few ways open."""
    before = (element for body in rules.values() for alternative in body for element in alternative[:-1])
    inner = dict.fromkeys(element for element in before if isinstance(element, str))
    return [name for name in inner if len(inner) <= _INNER and name in _reached(rules, name)]


def _reached(rules: dict[str, Alternatives], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for alternative in rules[waiting.pop()]:
            for element in alternative:
                if isinstance(element, str) and element not in found:
                    found.add(element)
                    waiting.append(element)
    return found


class _Ways:
    """In how many ways each rule can begin, and in how many it can be empty."""

    def __init__(self, rules: dict[str, Alternatives]) -> None:
        self._rules = rules
        self._known: dict[str, tuple[int, int]] = {}

    def check(self) -> None:
        """Look at all rules, those that others begin with before them."""
        for first in self._rules:
            path = [first]
            while path:
                needed = self._try(path[-1])
                if needed is None:
                    path.pop()
                elif needed in path:
                    raise GrammarError(f"the rule {needed[:80]} begins with itself")
                else:
                    path.append(needed)

    def _try(self, name: str) -> str | None:
        """Count the ways of one rule; return the rule whose count is needed first, if there is one."""
        if name in self._known:
            return None
        beginnings = nothing = 0
        for alternative in self._rules[name]:
            ways = 1
            for element in alternative:
                if not isinstance(element, str):
                    beginnings += ways
                    ways = 0
                elif element not in self._known:
                    return element
                else:
                    beginnings += ways * self._known[element][0]
                    ways *= self._known[element][1]
                if not ways:
                    break
            nothing += ways
        if beginnings + nothing > _MOST_WAYS:
            raise GrammarError(f"the rule {name[:80]} can begin in more than {_MOST_WAYS} ways")
        self._known[name] = (beginnings, nothing)
        return None


def _try_text(rules: dict[str, Alternatives], chance: random.Random, start: str = "root") -> None:
    """Follow the grammar along a text that keeps as many ways open as it can."""
    stacks, steps = _expanded(rules, [((start,), None)])
    for _ in range(_LETTERS):
        letters = [rest[0][0][0] for rest, _ in stacks if rest[0] and not isinstance(rest[0], str)]
        if not letters:
            return
        tried = chance.sample(letters, min(len(letters), 4))
        counts = [sum(_follows(stack, letter) for stack in stacks) for letter in tried]
        letter = tried[counts.index(max(counts))]
        after = [(stack[0][1:], stack[1]) for stack in stacks if _follows(stack, letter)]
        stacks, spent = _expanded(rules, after)
        steps += spent + len(stacks)
        if steps > _STEPS:
            return


def _follows(stack: Stack, letter: int) -> bool:
    allowed = stack[0][0]
    return not isinstance(allowed, str) and any(low <= letter <= high for low, high in allowed)


def _expanded(rules: dict[str, Alternatives], waiting: Iterable[Stack]) -> tuple[list[Stack], int]:
    """Return the stacks with characters on top, each once, and how many there were on the way."""
    found: dict[Stack, None] = {}
    seen: set[Stack] = set()
    left = list(waiting)
    while left:
        rest, below = left.pop()
        while not rest and below is not None:
            rest, below = below
        stack = (rest, below)
        if stack in seen:
            continue
        seen.add(stack)
        if len(seen) > 4 * _MOST_WAYS or len(found) > _MOST_WAYS:
            raise GrammarError(f"it can be followed in more than {_MOST_WAYS} ways at once")
        if not rest:
            continue
        top = rest[0]
        if isinstance(top, str):
            under = (rest[1:], below) if len(rest) > 1 else below
            left += [(alternative, under) for alternative in rules[top]]
        else:
            found[stack] = None
    return list(found), len(seen)
