"""Whether a value is valid: for values that a schema lists, and for what only the whole of an answer can show."""

from collections.abc import Mapping
from typing import Any

from puna.inference.format.facts import Facts, Parts, Resolver, same
from puna.inference.format.members import item_parts, property_parts
from puna.inference.format.strings import Strings


def holds(resolver: Resolver, strings: Strings, value: Any, parts: Parts) -> bool:
    """Return whether a value is valid against all the schemas."""
    return any(meets(resolver, strings, value, facts) for facts in resolver.facts(parts))


def meets(resolver: Resolver, strings: Strings, value: Any, facts: Facts) -> bool:
    """Return whether a value is as the facts say."""
    if facts.values is not None and not any(same(value, one) for one in facts.values):
        return False
    match value:
        case None:
            return "null" in facts.types
        case bool():
            return "boolean" in facts.types
        case int() | float():
            return _is_number(value, facts)
        case str():
            return "string" in facts.types and strings.automaton(strings.language(facts)).accepts(value)
        case list():
            return "array" in facts.types and _is_array(resolver, strings, value, facts)
        case Mapping():
            return "object" in facts.types and _is_object(resolver, strings, value, facts)
    return False


def _is_number(value: int | float, facts: Facts) -> bool:
    whole = value == int(value)
    if not facts.types & ({"integer", "number"} if whole else {"number"}):
        return False
    low, high = facts.low, facts.high
    if low is not None and not (value > low.at or (value == low.at and not low.open)):
        return False
    if high is not None and not (value < high.at or (value == high.at and not high.open)):
        return False
    return all(value % divisor == 0 for divisor in facts.divisors)


def _is_array(resolver: Resolver, strings: Strings, value: list[Any], facts: Facts) -> bool:
    if len(value) < facts.least_items or (facts.most_items is not None and len(value) > facts.most_items):
        return False
    if facts.unique and any(same(one, other) for place, one in enumerate(value) for other in value[:place]):
        return False
    return all(holds(resolver, strings, one, item_parts(facts, index)) for index, one in enumerate(value))


def _is_object(resolver: Resolver, strings: Strings, value: Mapping[str, Any], facts: Facts) -> bool:
    most = facts.most_properties
    if len(value) < facts.least_properties or (most is not None and len(value) > most):
        return False
    return all(name in value for name in facts.required) and all(
        holds(resolver, strings, name, facts.names)
        and holds(resolver, strings, one, property_parts(strings, facts, name))
        for name, one in value.items()
    )
