"""What the values of ``--think`` and ``--format`` mean, on the command line and in a conversation."""

import json
from collections.abc import Mapping
from typing import Any

from puna.cli.errors import CommandError

_THINK: Mapping[str, bool | str] = {
    "true": True,
    "false": False,
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
}


def parse_think(text: str) -> bool | str:
    """Return what ``think`` means; raise ``CommandError``."""
    if text not in _THINK:
        raise CommandError(f"think must be one of {', '.join(_THINK)}; not {text!r}")
    return _THINK[text]


def parse_format(text: str) -> str | Mapping[str, Any]:
    """Return what a format means: "json", or an object that is a schema; raise ``CommandError``."""
    if text == "json":
        return text
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise CommandError(f'a format is json or a JSON schema, {{"type": "object", …}}; not {text[:60]!r}')
    return schema


def option_value(text: str) -> Any:
    """Return the value of an option: JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
