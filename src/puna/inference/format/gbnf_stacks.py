"""The stacks of what must follow, by which llama.cpp follows a grammar: one for each way to read the text so far."""

from collections.abc import Mapping

from puna.inference.format.charset import Ranges
from puna.inference.format.gbnf import Alternatives, Element

Stack = int
"""The number of a place in the grammar, and of the stack below it that its alternative ends on."""
EMPTY: Stack = -1
"""What follows the end of the text."""


class Stacks:
    """Follows one grammar, and counts what that takes.

    Two stacks are one if their *places* are the same, as in the engine: what is left may be alike in two places,
    and it is followed twice then.
    """

    def __init__(self, rules: Mapping[str, Alternatives]) -> None:
        self.steps = 0
        self._places: list[Element | None] = []
        self._beginnings = {
            name: [self._place(alternative) if alternative else None for alternative in body]
            for name, body in rules.items()
        }
        self._all: list[tuple[int, Stack]] = []
        self._numbers: dict[tuple[int, Stack], Stack] = {}
        self._after: dict[Stack, list[Stack]] = {}

    def begin(self, rule: str, most: int) -> list[Stack]:
        """Return the stacks at the beginning of a rule. Raises ``OverflowError`` for more than ``most``."""
        return self._expanded(self._stack(self._place((rule,)), EMPTY), most)

    def letters(self, stack: Stack) -> Ranges:
        """Return the characters of which one follows on a stack; none on the empty one."""
        if stack == EMPTY:
            return ()
        element = self._places[self._all[stack][0]]
        assert element is not None and not isinstance(element, str)
        return element

    def after(self, stack: Stack, most: int) -> list[Stack]:
        """Return the stacks after a character of a stack. Raises ``OverflowError`` for more than ``most``."""
        if stack not in self._after:
            self._after[stack] = self._expanded(self._behind(stack), most)
        return self._after[stack]

    def _place(self, alternative: tuple[Element, ...]) -> int:
        first = len(self._places)
        self._places += [*alternative, None]
        return first

    def _stack(self, place: int, below: Stack) -> Stack:
        key = (place, below)
        if key not in self._numbers:
            self._numbers[key] = len(self._all)
            self._all.append(key)
        return self._numbers[key]

    def _behind(self, stack: Stack) -> Stack:
        place, below = self._all[stack]
        return below if self._places[place + 1] is None else self._stack(place + 1, below)

    def _expanded(self, first: Stack, most: int) -> list[Stack]:
        """Return the stacks with characters on top, or nothing, that one leads to."""
        found: list[Stack] = []
        seen: set[Stack] = set()
        left = [first]
        while left:
            stack = left.pop()
            if stack in seen:
                continue
            seen.add(stack)
            if len(seen) > 4 * most or len(found) > most:
                raise OverflowError
            element = None if stack == EMPTY else self._places[self._all[stack][0]]
            if isinstance(element, str):
                behind = self._behind(stack)
                left += [behind if start is None else self._stack(start, behind) for start in self._beginnings[element]]
            else:
                found.append(stack)
        self.steps += len(seen)
        return found


def holds(letters: Ranges, letter: int) -> bool:
    """Return whether a character is among some."""
    return any(low <= letter <= high for low, high in letters)
