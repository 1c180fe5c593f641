"""What facts say of the members of objects and arrays."""

from puna.inference.format.facts import Facts, Parts
from puna.inference.format.keywords import Schema
from puna.inference.format.strings import Strings


def property_parts(strings: Strings, facts: Facts, name: str) -> Parts:
    """Return what the value of a property must be valid against."""
    found: list[Schema | bool] = []
    for part in facts.objects:
        assert not isinstance(part, bool)
        named = [part["properties"][name]] if name in part.get("properties", {}) else []
        named += [one for pattern, one in part.get("patternProperties", {}).items() if strings.finds(pattern, name)]
        found += named or [part.get("additionalProperties", True)]
    return tuple(found)


def listed_properties(facts: Facts) -> list[str]:
    """Return the names that the schemas list or require, in their order."""
    names: dict[str, None] = {}
    for part in facts.objects:
        assert not isinstance(part, bool)
        names |= dict.fromkeys(part.get("properties", {}))
    return list(names | dict.fromkeys(facts.required))


def has_further(facts: Facts) -> bool:
    """Return whether an object has properties beside the listed ones.

    Where a schema has a list, be it an empty one, and says nothing of others, the others are left out, as Ollama does:
    functions without arguments are written so.
    """
    parts = [part for part in facts.objects if not isinstance(part, bool)]
    if not facts.required and not any("properties" in part for part in parts):
        return True
    said = ("additionalProperties", "patternProperties")
    return bool(facts.names) or any(name in part for part in parts for name in said)


def item_parts(facts: Facts, index: int) -> Parts:
    """Return what an item of an array must be valid against."""
    found: list[Schema | bool] = []
    for part in facts.arrays:
        first, rest = _items(part)
        found.append(first[index] if index < len(first) else True if rest is None else rest)
    return tuple(found)


def prefix_length(facts: Facts) -> int:
    """Return how many of the first items have schemas of their own."""
    return max((len(_items(part)[0]) for part in facts.arrays), default=0)


def is_open_tuple(facts: Facts) -> bool:
    """Return whether nothing is said of the items behind the first ones; they are left out."""
    return prefix_length(facts) > 0 and all(_items(part)[1] is None for part in facts.arrays)


def _items(part: Schema | bool) -> tuple[Parts, Schema | bool | None]:
    """Return the schemas of the first items and that of the rest (``None``: not said), in the words of any draft."""
    assert not isinstance(part, bool)
    if isinstance(part.get("items"), list):
        return tuple(part["items"]), part.get("additionalItems")
    return tuple(part.get("prefixItems", ())), part.get("items")
