"""Random texts that follow a grammar, for holding them against the schema that it was made from."""

import random

from puna.inference.format.charset import Ranges
from puna.inference.format.gbnf import Alternatives, read_grammar
from puna.inference.format.gbnf_stacks import Stacks, holds

_ENDLESS = 10**12
_MOST = 10_000
_END = 0x110000
"""No letter: what comes after all of a text."""


class Walk:
    """Makes texts of one grammar; they come to their end as soon as they can, once they are long."""

    def __init__(self, grammar: str) -> None:
        self._rules = read_grammar(grammar)
        self._least = _least_lengths(self._rules)

    def text(self, seed: int, long: int = 200) -> str:
        """Return a text; the same seed makes the same."""
        chance = random.Random(seed)
        said = ""
        waiting: list[str | Ranges] = ["root"]
        while waiting:
            element = waiting.pop()
            if not isinstance(element, str):
                said += _letter(element, chance)
                continue
            ways = self._rules[element]
            if len(said) > long:
                ways = [min(ways, key=self._length)]
            waiting += reversed(chance.choice(ways))
        return said

    def _length(self, alternative: tuple[str | Ranges, ...]) -> int:
        return sum(self._least[one] if isinstance(one, str) else 1 for one in alternative)


def accepts(grammar: str, text: str) -> bool:
    """Return whether a text follows a grammar from its beginning to its end."""
    stacks = Stacks(read_grammar(grammar) | {"whole": [("root", ((_END, _END),))]})
    ways = set(stacks.begin("whole", _MOST))
    for letter in map(ord, text):
        ways = {after for stack in ways if holds(stacks.letters(stack), letter) for after in stacks.after(stack, _MOST)}
    return any(holds(stacks.letters(stack), _END) for stack in ways)


def _letter(allowed: Ranges, chance: random.Random) -> str:
    low, high = chance.choice(allowed)
    return chr(chance.randint(low, min(high, low + 100)))


def _least_lengths(rules: dict[str, Alternatives]) -> dict[str, int]:
    """Return the length of the shortest text of each rule."""
    found = dict.fromkeys(rules, _ENDLESS)
    changed = True
    while changed:
        changed = False
        for name, body in rules.items():
            lengths = (sum(found[one] if isinstance(one, str) else 1 for one in alternative) for alternative in body)
            least = min(lengths, default=_ENDLESS)
            if least < found[name]:
                found[name], changed = least, True
    return found
