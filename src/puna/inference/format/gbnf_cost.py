"""What following a caller's grammar costs, before the engine follows it."""

import random

from puna.inference.format.errors import FormatError
from puna.inference.format.gbnf import LONGEST, Alternatives, GrammarError, read_grammar
from puna.inference.format.gbnf_stacks import Stack, Stacks, holds

_MOST_WAYS = 2_000
"""Stacks at once: the engine tries each letter of each token that may come on all of them."""
_MOST_READINGS = 2_000_000
"""Ways to read the letters of one token. The engine looks at each by itself, for every token that none of them allows:
two million take it about a second."""
_TOKEN = 8
"""How many letters that counts; longer tokens with letters of one kind are rare."""
_TRIES = 4
_LETTERS = 200
_STEPS = 60_000
_STARTS = 8
_INNER = 500
"""Grammars in which more rules than this may hold themselves are tried from their beginning only."""


def check_grammar(text: str) -> None:
    """Raise ``GrammarError`` for a grammar that cannot be read, or can be followed in more ways than are kept in mind.

    Whether there are too many for *some* text cannot be decided; a few texts that lead to many are tried.
    """
    rules = read_grammar(text)
    _Ways(rules).check()
    _try_texts(rules, _holding_themselves(rules, set(rules)))


def check_made(text: str) -> None:
    """Raise ``FormatError`` for the grammar of a schema that can be followed in too many ways at once.

    Alternatives that begin alike and hold each other double the ways with every level: so what holds itself, with
    something behind it, is tried apart.
    """
    if len(text) > LONGEST:
        return
    try:
        rules = read_grammar(text)
        before = (element for body in rules.values() for alternative in body for element in alternative[:-1])
        _try_texts(rules, _holding_themselves(rules, {element for element in before if isinstance(element, str)}))
    except GrammarError:
        raise FormatError("the schema has alternatives that begin alike and hold each other") from None


def _holding_themselves(rules: dict[str, Alternatives], inner: set[str]) -> list[str]:
    """Return those of some rules that are reached from themselves, those from which most is reached before others."""
    if len(inner) > _INNER:
        return []
    reached = {name: _reached(rules, name) for name in rules if name in inner}
    return sorted((name for name in reached if name in reached[name]), key=lambda name: -len(reached[name]))


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


def _try_texts(rules: dict[str, Alternatives], inner: list[str]) -> None:
    """Try texts from the beginning, and from some rules, however far from it they are."""
    for start in ["root", *inner[:_STARTS]]:
        for attempt in range(_TRIES if start == "root" else 2):
            _try_text(Stacks(rules), random.Random(attempt), start)


def _try_text(stacks: Stacks, chance: random.Random, start: str) -> None:
    """Follow a grammar along a text that keeps as many ways open as it can."""
    steps = 0
    try:
        ways = dict.fromkeys(stacks.begin(start, _MOST_WAYS), 1)
        for position in range(_LETTERS):
            if position % _TOKEN == 0:
                ways = dict.fromkeys(ways, 1)
            firsts = [letters[0][0] for letters in map(stacks.letters, ways) if letters]
            steps += len(ways)
            if not firsts or steps + stacks.steps > _STEPS:
                return
            tried = chance.sample(firsts, min(len(firsts), 4))
            counts = [sum(holds(stacks.letters(stack), letter) for stack in ways) for letter in tried]
            ways = _followed(stacks, ways, tried[counts.index(max(counts))])
            if len(ways) > _MOST_WAYS or sum(ways.values()) > _MOST_READINGS:
                raise OverflowError
    except OverflowError:
        raise GrammarError("it can be followed in too many ways at once") from None


def _followed(stacks: Stacks, ways: dict[Stack, int], letter: int) -> dict[Stack, int]:
    """Return the stacks after a letter, each with the number of ways that lead to it."""
    found: dict[Stack, int] = {}
    for stack, count in ways.items():
        if holds(stacks.letters(stack), letter):
            for after in stacks.after(stack, _MOST_WAYS):
                found[after] = found.get(after, 0) + count
    return found
