"""Alternatives of ``oneOf``: a value must be valid against exactly one, so they must exclude each other."""

from itertools import combinations, permutations

from puna.inference.format.errors import UnsupportedKeywordError
from puna.inference.format.facts import Facts, Part, Parts, Resolver
from puna.inference.format.instance import meets
from puna.inference.format.members import has_further, item_parts, listed_properties, property_parts
from puna.inference.format.strings import Strings

_DEEPEST = 4
_NUMBERS = frozenset(["integer", "number"])


class Alternatives:
    """Tells alternatives apart, if need be by a property that is then required of all."""

    def __init__(self, resolver: Resolver, strings: Strings) -> None:
        self._resolver = resolver
        self._strings = strings
        self._known: dict[int, tuple[list[Part], list[Part]]] = {}
        self._asked: set[int] = set()

    def told_apart(self, branches: list[Part]) -> list[Part]:
        """Return alternatives that exclude each other. Raises ``UnsupportedKeywordError`` if these do not."""
        if id(branches) in self._known:
            return self._known[id(branches)][1]
        if id(branches) in self._asked:
            raise UnsupportedKeywordError("oneOf", "whose alternatives are told apart by each other")
        self._asked.add(id(branches))
        found = self._apart(branches)
        self._known[id(branches)] = (branches, found)
        return found

    def _apart(self, branches: list[Part]) -> list[Part]:
        if self._exclude_each_other(branches):
            return branches
        for name in self._names(branches):
            stricter: list[Part] = [{"allOf": [branch], "required": [name]} for branch in branches]
            if self._exclude_each_other(stricter):
                return stricter
        raise UnsupportedKeywordError("oneOf", "with alternatives that overlap; use anyOf")

    def _names(self, branches: list[Part]) -> list[str]:
        """Return the properties that all alternatives list."""
        lists = [
            {name for facts in self._resolver.facts((branch,)) for name in listed_properties(facts)}
            for branch in branches
        ]
        return sorted(set.intersection(*lists))

    def _exclude_each_other(self, branches: list[Part]) -> bool:
        ways = [self._resolver.facts((branch,)) for branch in branches]
        return all(
            self._excludes(written, asked, 0)
            for one, other in combinations(ways, 2)
            for first, second in permutations((one, other))
            for written in first
            for asked in second
        )

    def _all_exclude(self, written: Parts, asked: Parts, depth: int) -> bool:
        return all(
            self._excludes(one, other, depth + 1)
            for one in self._resolver.facts(written)
            for other in self._resolver.facts(asked)
        )

    def _excludes(self, written: Facts, asked: Facts, depth: int) -> bool:
        """Return whether nothing that is written for the one is valid for the other; False if that is not clear."""
        if depth > _DEEPEST:
            return False
        self._strings.regexes.budget.spend(5)
        if written.values is not None:
            self._strings.regexes.budget.spend(len(written.values))
            return not any(self._meets(value, written) and self._meets(value, asked) for value in written.values)
        if asked.values is not None:
            return not any(self._meets(value, written) for value in asked.values)
        return all(self._kind_excludes(kind, written, asked, depth) for kind in written.kinds())

    def _meets(self, value: object, facts: Facts) -> bool:
        return meets(self._resolver, self._strings, value, facts)

    def _kind_excludes(self, kind: str, written: Facts, asked: Facts, depth: int) -> bool:
        if not asked.types & (_NUMBERS if kind == "number" else {kind}):
            return True
        match kind:
            case "integer" | "number":
                return _beyond(written, asked) or _beyond(asked, written)
            case "string":
                both = self._strings.regexes.both([self._strings.language(written), self._strings.language(asked)])
                return self._strings.automaton(both).is_empty
            case "array":
                return self._array_excludes(written, asked, depth)
            case "object":
                return self._object_excludes(written, asked, depth)
        return False

    def _array_excludes(self, written: Facts, asked: Facts, depth: int) -> bool:
        for one, other in permutations((written, asked)):
            if one.most_items is not None and one.most_items < other.least_items:
                return True
        return any(
            self._all_exclude(item_parts(written, index), item_parts(asked, index), depth)
            for index in range(min(written.least_items, 8))
        )

    def _object_excludes(self, written: Facts, asked: Facts, depth: int) -> bool:
        strings = self._strings
        if not has_further(written) and not set(asked.required) <= set(listed_properties(written)):
            return True
        return any(
            self._all_exclude(property_parts(strings, written, name), property_parts(strings, asked, name), depth)
            for name in written.required
        )


def _beyond(one: Facts, other: Facts) -> bool:
    """Return whether all numbers of the one are less than those of the other."""
    if one.high is None or other.low is None:
        return False
    return one.high.at < other.low.at or (one.high.at == other.low.at and (one.high.open or other.low.open))
