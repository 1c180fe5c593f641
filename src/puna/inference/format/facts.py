"""What a value must be, out of all the schemas that it must be valid against: references, ``allOf`` and alternatives
are resolved into a list of facts, of which a value must meet one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from puna.inference.format.document import Document
from puna.inference.format.errors import Budget, FormatError, UnsupportedKeywordError
from puna.inference.format.keywords import FAMILIES, TYPES, Schema, check
from puna.inference.format.numbers import Bound

Part = Schema | bool
Parts = tuple[Part, ...]
"""Schemas that one value must be valid against, all of them."""

_EXACT = 2.0**53


@dataclass(frozen=True, slots=True)
class Facts:
    """One way for a value to be valid; each attribute is the sum of what all schemas say of it.

    ``types`` are those that it may have ("integer" apart from "number", which has both). ``values`` is a list to choose
    from. ``objects`` and ``arrays`` are the schemas that say something of members.
    """

    types: frozenset[str] = frozenset(TYPES)
    stated: bool = False
    speaks_of: frozenset[str] = frozenset()
    values: tuple[Any, ...] | None = None
    low: Bound | None = None
    high: Bound | None = None
    divisors: tuple[int, ...] = ()
    least_length: int = 0
    most_length: int | None = None
    patterns: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    arrays: Parts = ()
    least_items: int = 0
    most_items: int | None = None
    unique: bool = False
    objects: Parts = ()
    required: tuple[str, ...] = ()
    names: Parts = ()
    least_properties: int = 0
    most_properties: int | None = None

    def kinds(self) -> frozenset[str]:
        """Return the types that are written.

        A schema without a type speaks of some: to allow only those is to allow less.
        """
        if self.stated or not self.speaks_of:
            return self.types
        spoken = self.speaks_of | ({"integer"} if "number" in self.speaks_of else set())
        return self.types & spoken


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal in JSON: numbers by value, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


class Resolver:
    """Resolves schemas of one document."""

    def __init__(self, document: Document, budget: Budget) -> None:
        self.told_apart: Callable[[list[Part]], list[Part]] = list
        """What makes of the alternatives of ``oneOf`` such that exclude each other."""
        self._document = document
        self._budget = budget
        self._checked: set[int] = set()
        self._known: dict[tuple[int, ...], tuple[Parts, list[Facts]]] = {}

    def facts(self, parts: Parts) -> list[Facts]:
        """Return the ways in which a value can be valid against all the schemas; none: it cannot."""
        key = tuple(map(id, parts))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (parts, self._resolve([(part, frozenset()) for part in parts], Facts(), set()))
        return found[1]

    def _resolve(self, waiting: Sequence[tuple[Part, frozenset[int]]], facts: Facts, done: set[int]) -> list[Facts]:
        """Return ``facts`` with what the waiting schemas say. Each knows those that led to it."""
        waiting, done = list(waiting), set(done)
        while waiting:
            part, above = waiting.pop(0)
            self._budget.spend(2)
            if part is False:
                return []
            if part is True or (id(part) in done and id(part) not in above):
                continue
            if id(part) in above:
                raise UnsupportedKeywordError("$ref", "that leads back to itself")
            assert isinstance(part, Mapping)
            self._check(part)
            done.add(id(part))
            path = above | {id(part)}
            merged = _merged(facts, part)
            if merged is None:
                return []
            facts = merged
            if "$ref" in part:
                waiting.append((self._document.find(part["$ref"]), path))
            waiting += [(one, path) for one in part.get("allOf", ())]
            choices = [part[keyword] for keyword in ("anyOf", "oneOf") if keyword in part]
            if "oneOf" in part:
                choices[-1] = self.told_apart(part["oneOf"])
            if choices:
                rest = [([(one, path) for one in combination]) for combination in _combinations(choices)]
                return [found for chosen in rest for found in self._resolve([*chosen, *waiting], facts, done)]
        return [facts]

    def _check(self, part: Schema) -> None:
        if id(part) in self._checked:
            return
        check(part)
        self._document.check_place(part)
        if "not" in part and not self._never(part["not"]):
            raise UnsupportedKeywordError("not")
        self._checked.add(id(part))

    def _never(self, part: Part) -> bool:
        return part is True or part == {}


def _combinations(choices: list[list[Part]]) -> list[list[Part]]:
    combined: list[list[Part]] = [[]]
    for choice in choices:
        combined = [[*one, part] for one in combined for part in choice]
    return combined


def _merged(facts: Facts, part: Schema) -> Facts | None:
    """Return the facts with what one schema itself says, ``None`` if no value is left."""
    changes: dict[str, Any] = {}
    if "not" in part:
        return None  # what it forbids is everything
    if "type" in part:
        names = {part["type"]} if isinstance(part["type"], str) else set(part["type"])
        changes["types"] = facts.types & (names | ({"integer"} if "number" in names else set()))
        changes["stated"] = True
    listed = [part["const"]] if "const" in part else None
    if "enum" in part:
        listed = [one for one in part["enum"] if listed is None or same(one, listed[0])]
    if listed is not None:
        known = facts.values
        changes["values"] = tuple(one for one in listed if known is None or any(same(one, other) for other in known))
    spoken = {family for family, keywords in FAMILIES.items() if any(keyword in part for keyword in keywords)}
    changes["speaks_of"] = facts.speaks_of | spoken
    changes |= _numbers(facts, part) if "number" in spoken else {}
    if "string" in spoken:
        changes |= _counts(facts, part, "length", "Length")
        changes["patterns"] = (*facts.patterns, *([part["pattern"]] if "pattern" in part else []))
        changes["formats"] = (*facts.formats, *([part["format"]] if "format" in part else []))
    if "array" in spoken:
        changes |= _counts(facts, part, "items", "Items")
        changes["unique"] = facts.unique or part.get("uniqueItems", False)
        changes["arrays"] = (*facts.arrays, part)
    if "object" in spoken:
        changes |= _counts(facts, part, "properties", "Properties")
        changes["objects"] = (*facts.objects, part)
        changes["required"] = tuple(dict.fromkeys([*facts.required, *part.get("required", ())]))
        changes["names"] = (*facts.names, *([part["propertyNames"]] if "propertyNames" in part else []))
    return replace(facts, **changes)


def _counts(facts: Facts, part: Schema, name: str, keyword: str) -> dict[str, int | None]:
    least, most = getattr(facts, f"least_{name}"), getattr(facts, f"most_{name}")
    if f"min{keyword}" in part:
        least = max(least, int(part[f"min{keyword}"]))
    if f"max{keyword}" in part:
        most = int(part[f"max{keyword}"]) if most is None else min(most, int(part[f"max{keyword}"]))
    return {f"least_{name}": least, f"most_{name}": most}


def _numbers(facts: Facts, part: Schema) -> dict[str, Any]:
    low, high, divisors = facts.low, facts.high, facts.divisors
    for keyword, is_open in (("minimum", False), ("exclusiveMinimum", True)):
        if keyword in part:
            bound = Bound(_exact(part[keyword], 1), is_open)
            low = bound if low is None else max(low, bound, key=lambda one: (one.at, one.open))
    for keyword, is_open in (("maximum", False), ("exclusiveMaximum", True)):
        if keyword in part:
            bound = Bound(_exact(part[keyword], -1), is_open)
            high = bound if high is None else min(high, bound, key=lambda one: (one.at, not one.open))
    if "multipleOf" in part:
        divisor = part["multipleOf"]
        if divisor != int(divisor):
            raise UnsupportedKeywordError("multipleOf", "of a number that is not whole")
        divisors = (*divisors, int(divisor))
    return {"low": low, "high": high, "divisors": divisors}


def _exact(number: int | float, inwards: int) -> Fraction:
    """Return a bound as it is written; a float that may have been another integer once moves ``inwards``."""
    if isinstance(number, int):
        return Fraction(number)
    if abs(number) < _EXACT:
        return Fraction(Decimal(repr(number)))
    return Fraction(number) + inwards * Fraction(abs(number)) / 2**50


def unsatisfiable() -> FormatError:
    """Return the error for a schema that no value is valid against."""
    return FormatError("invalid JSON Schema: no value is valid against it")
