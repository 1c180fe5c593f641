"""The way in which Gemma's models write values: like JSON, with marks of their own around texts."""

from collections.abc import Mapping
from typing import Any

from puna.inference.families.dialogue import compact


def value_text(value: Any, quote: str, *, quoted_keys: bool = False) -> str:
    """Return a value with ``quote`` around texts, the keys of objects in order of the alphabet."""
    match value:
        case str():
            return f"{quote}{value}{quote}"
        case Mapping():
            mark = quote if quoted_keys else ""
            items = (
                f"{mark}{key}{mark}:{value_text(item, quote, quoted_keys=quoted_keys)}"
                for key, item in sorted(value.items())
            )
            return "{" + ",".join(items) + "}"
        case list() | tuple():
            return "[" + ",".join(value_text(item, quote, quoted_keys=quoted_keys) for item in value) + "]"
        case _:
            return compact(value)


def call_text(name: str, arguments: Mapping[str, Any], quote: str) -> str:
    """Return a call without the marks around it."""
    values = ",".join(f"{key}:{value_text(value, quote)}" for key, value in sorted(arguments.items()))
    return f"call:{name}{{{values}}}"
