"""Arrays of JSON: first items with schemas of their own, then counted ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from puna.inference.format.facts import Facts, Parts, same
from puna.inference.format.grammar import Item, Rule, literal
from puna.inference.format.instance import meets
from puna.inference.format.members import is_open_tuple, item_parts, prefix_length

if TYPE_CHECKING:
    from puna.inference.format.compiler import Compiler

_MOST_LISTED = 512
"""So many different integers are listed, to be chosen from in their order."""


class Arrays:
    """Makes the rules of arrays."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._grammar = compiler.grammar
        self.checked: list[Facts] = []
        """Arrays whose items must differ where the grammar does not see to it."""

    def rule(self, facts: Facts) -> Rule:
        """Return the rule for an array that is as the facts say."""
        grammar, space = self._grammar, self._compiler.space
        fixed = prefix_length(facts)
        least, most = facts.least_items, facts.most_items
        if is_open_tuple(facts) and least <= fixed:
            most = fixed if most is None else min(most, fixed)
        if facts.unique and (most is None or most > 1):
            listed = None if fixed else self._values(item_parts(facts, 0))
            if listed is not None:
                return self._in_order(listed, least, most)
            self.checked.append(facts)
        rest = item_parts(facts, fixed)
        first = [item_parts(facts, index) for index in range(fixed)] or [rest]
        items = [self._compiler.value(parts) for parts in first[:most]]
        count = len(items)
        end: list[Item] = [space, literal("]")]
        after: list[list[Item]] = []
        if most is None or most > count:
            further = grammar.add([[literal(","), space, self._compiler.value(rest)]])
            counted = grammar.counted(further, max(least - count, 0), None if most is None else most - count)
            after = [[*counted, *end]]
        elif least <= count:
            after = [end]
        for index in range(count - 1, 0, -1):
            longer: list[Item] = [literal(","), space, items[index], grammar.add(after)]
            after = [longer, end] if index >= least else [longer]
        body: list[list[Item]] = [[items[0], grammar.add(after)]] if items else []
        if least == 0:
            body.append([literal("]")])
        return grammar.add([[literal("["), space, grammar.add(body)]])

    def _values(self, parts: Parts) -> list[Any] | None:
        """Return all the values that an item can have, if they can be listed."""
        found: list[Any] = []
        for facts in self._compiler.resolver.facts(parts):
            values: Sequence[Any] | None = facts.values
            if values is None:
                values = _listed(facts)
            if values is None:
                return None
            for value in values:
                self._compiler.strings.regexes.budget.spend(1 + len(found) // 8)
                fits = meets(self._compiler.resolver, self._compiler.strings, value, facts)
                if fits and not any(same(value, other) for other in found):
                    found.append(value)
        return found if len(found) <= _MOST_LISTED else None

    def _in_order(self, values: list[Any], least: int, most: int | None) -> Rule:
        """Return an array of different values, in the order in which they are listed."""
        grammar, space = self._grammar, self._compiler.space
        most = len(values) if most is None else min(most, len(values))
        counts = least > 0 or most < len(values)
        end: list[Item] = [space, literal("]")]
        # What may follow each value, for each number of values before it; the last ones first.
        following: dict[int, Rule] = {count: grammar.add([]) for count in range(most + 1)}
        for value in reversed(values):
            made: dict[int, Rule] = {}
            for count in range(most if counts else 1):
                more = count + 1 if counts else 0
                longer: list[Item] = [literal(","), space, following[more]]
                after = grammar.add([longer, end] if more >= least else [longer])
                made[count] = grammar.add(
                    [[literal(self._compiler.notation.written(value)), after], [following[count]]]
                )
            following |= made
        body: list[list[Item]] = [[following[0]]]
        if least == 0:
            body.append([literal("]")])
        return grammar.add([[literal("["), space, grammar.add(body)]])


def _listed(facts: Facts) -> Sequence[Any] | None:
    """Return the values of facts that allow few without listing them."""
    kinds = facts.kinds()
    if kinds <= {"boolean", "null"}:
        return [*([True, False] if "boolean" in kinds else []), *([None] if "null" in kinds else [])]
    if kinds == {"integer"} and facts.low is not None and facts.high is not None:
        low, high = facts.low.at.__ceil__(), facts.high.at.__floor__()
        if high - low < _MOST_LISTED:
            return range(low, high + 1)
    return None
