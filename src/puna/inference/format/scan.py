"""Free text in which marks mean something: it goes on in another way from the first of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from puna.inference.format.charset import ANY, Ranges, complement, intersection, of
from puna.inference.format.grammar import Grammar, Item, Rule, literal, one_of

_State = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A text, and what follows it; with ``then`` ``None`` it must not come. ``first``: it counts at the beginning only.

    With ``any_case`` its letters are large or small.
    """

    text: str
    then: tuple[Item, ...] | None = None
    first: bool = False
    any_case: bool = False

    def takes(self, place: int, letter: str) -> bool:
        """Return whether a letter is the one at a place of the text."""
        own = self.text[place]
        return letter == own or (self.any_case and letter in (own.lower(), own.upper()))

    @property
    def letters(self) -> str:
        """Return all letters that the text may have."""
        return self.text + (self.text.lower() + self.text.upper() if self.any_case else "")


def scan(
    grammar: Grammar,
    marks: Sequence[Mark],
    *,
    ends: Sequence[Sequence[Item]] = ((),),
    raw: Ranges = ANY,
    others: Sequence[Sequence[Item]] = (),
    rule: Rule | None = None,
) -> Rule:
    """Return the rule of a text up to the first of the marks; of those that come together, the longest.

    What ``ends`` has may follow anywhere, ``others`` is what the text has beside ``raw`` letters. ``rule`` is a
    reserved rule that is to be this one.
    """
    key = (tuple(marks), tuple(map(tuple, ends)), raw, tuple(map(tuple, others)))
    if rule is None and key in grammar.made:
        return grammar.made[key]
    start: _State = frozenset((number, 0) for number, mark in enumerate(marks) if mark.first)
    letters = sorted({letter for mark in marks for letter in mark.letters if intersection(of(letter), raw)})
    plain = intersection(raw, complement(of("".join(letters))))
    rules: dict[_State, Rule] = {start: rule or grammar.reserve()}
    empty: _State = frozenset()
    waiting = [start]

    def named(state: _State) -> Rule:
        if state not in rules:
            rules[state] = grammar.reserve()
            waiting.append(state)
        return rules[state]

    while waiting:
        state = waiting.pop()
        body: list[Sequence[Item]] = []
        targets: dict[_State, list[str]] = {}
        for letter in letters:
            reached = _reached(marks, state, letter)
            whole = [marks[number] for number, place in reached if place == len(marks[number].text)]
            if not whole:
                targets.setdefault(reached, []).append(letter)
            elif (then := max(whole, key=_rank).then) is not None:
                body.append([literal(letter), *then])
        if plain:
            body.append([one_of(plain), named(empty)])
        body += [[one_of(of("".join(found))), named(target)] for target, found in targets.items()]
        body += [[*other, named(empty)] for other in others]
        grammar.define(rules[state], [*body, *ends])
    return grammar.made.setdefault(key, rules[start])


def _rank(mark: Mark) -> tuple[int, bool]:
    return len(mark.text), mark.then is not None


def _reached(marks: Sequence[Mark], state: _State, letter: str) -> _State:
    """Return the places in marks, in letters, that are reached with one letter more."""
    going = {(number, place + 1) for number, place in state if marks[number].takes(place, letter)}
    return frozenset(
        going | {(number, 1) for number, mark in enumerate(marks) if not mark.first and mark.takes(0, letter)}
    )
