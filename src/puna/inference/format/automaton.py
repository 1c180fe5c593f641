"""Deterministic automata of regular languages."""

from dataclasses import dataclass, field
from itertools import pairwise

from puna.inference.format.charset import LAST, Ranges, ranges
from puna.inference.format.regex import Regex, Regexes

_COUNTED = 32
"""A repetition of more than this at the end of a language stays one, and is not a state for each step."""


@dataclass(slots=True)
class State:
    """What may follow: the language ends here (``accepting``), goes on with ``edges``, or repeats ``counted``."""

    accepting: bool = False
    edges: list[tuple[Ranges, int]] = field(default_factory=list)
    counted: tuple["Automaton", int, int | None] | None = None

    def after(self, letter: str) -> int | None:
        """Return the state after a character."""
        code = ord(letter)
        found = (target for allowed, target in self.edges if any(low <= code <= high for low, high in allowed))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Automaton:
    """States; the first is the start. From every one the language can be ended; no states: it has no word."""

    states: list[State]

    @property
    def is_empty(self) -> bool:
        """Return whether the language has no word."""
        return not self.states

    def accepts(self, text: str) -> bool:
        """Return whether the text is a word."""
        at, position = 0, 0
        if not self.states:
            return False
        while position < len(text):
            state = self.states[at]
            if state.counted:
                return _counts(state.counted, text[position:])
            target = state.after(text[position])
            if target is None:
                return False
            at, position = target, position + 1
        state = self.states[at]
        return state.accepting or bool(state.counted and state.counted[1] == 0)


def automaton(regexes: Regexes, start: Regex) -> Automaton:
    """Return the automaton of a language. Costs the budget of ``regexes``."""
    numbers = {start: 0}
    waiting = [start]
    states: list[State] = []
    while waiting:
        node = waiting.pop(0)
        state = State(node.nullable)
        states.append(state)
        state.counted = _counted(regexes, node)
        if state.counted:
            continue
        targets: dict[Regex, list[tuple[int, int]]] = {}
        edges = [0, *sorted(regexes.borders(node) - {0}), LAST + 1]
        for low, high in pairwise(edges):
            if low > LAST:
                break
            after = regexes.derivative(node, low)
            if after is not regexes.nothing:
                targets.setdefault(after, []).append((low, high - 1))
        for after, pairs in targets.items():
            regexes.budget.spend(2)
            if after not in numbers:
                numbers[after] = len(numbers)
                waiting.append(after)
            if allowed := ranges(pairs):
                state.edges.append((allowed, numbers[after]))
    return Automaton(_living(states))


def _counted(regexes: Regexes, node: Regex) -> tuple[Automaton, int, int | None] | None:
    if node.kind != "repeat":
        return None
    part, least, most = node.args
    if max(least, most or 0) <= _COUNTED or part.nullable:
        return None
    once = automaton(regexes, part)
    return (once, least, most) if all(map(_ends_or_goes_on, once.states)) else None


def _ends_or_goes_on(state: State) -> bool:
    """Return whether it is known after each character if a word ends there; else it could be followed in many ways."""
    if state.counted:
        _, least, most = state.counted
        return least == most
    return not (state.accepting and state.edges)


def _living(states: list[State]) -> list[State]:
    """Leave out the states from which the language cannot be ended."""
    sources: dict[int, list[int]] = {}
    for number, state in enumerate(states):
        for _, target in state.edges:
            sources.setdefault(target, []).append(number)
    alive = {number for number, state in enumerate(states) if state.accepting or state.counted}
    waiting = list(alive)
    while waiting:
        for source in sources.get(waiting.pop(), ()):
            if source not in alive:
                alive.add(source)
                waiting.append(source)
    if 0 not in alive:
        return []
    new = {number: place for place, number in enumerate(sorted(alive))}
    for number in alive:
        states[number].edges = [(allowed, new[target]) for allowed, target in states[number].edges if target in alive]
    return [states[number] for number in sorted(alive)]


def _counts(counted: tuple[Automaton, int, int | None], text: str) -> bool:
    once, least, most = counted
    times, position = 0, 0
    while position < len(text):
        end = _end(once, text, position)
        if end is None:
            return False
        times, position = times + 1, end
    return times >= least and (most is None or times <= most)


def _end(once: Automaton, text: str, position: int) -> int | None:
    """Return where the word that begins at ``position`` ends; none of such a language is the beginning of another."""
    at = 0
    while not (state := once.states[at]).accepting:
        if state.counted:
            inner, times, _ = state.counted
            for _ in range(times):
                end = _end(inner, text, position)
                if end is None:
                    return None
                position = end
            return position
        if position == len(text):
            return None
        target = state.after(text[position])
        if target is None:
            return None
        at, position = target, position + 1
    return position
