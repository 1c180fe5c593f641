"""The way in which Gemma's models write values: like JSON, with marks of their own around texts."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from puna.inference.families.dialogue import printed
from puna.inference.output.calls import written_json


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
            return printed(value)


def call_text(name: str, arguments: Mapping[str, Any], quote: str) -> str:
    """Return a call without the marks around it."""
    values = ",".join(f"{key}:{value_text(value, quote)}" for key, value in sorted(arguments.items()))
    return f"call:{name}{{{values}}}"


def takes(parameters: Mapping[str, Any], inside: Sequence[str]) -> str:
    """Return what a declaration says of a function's parameters, nothing if it was given none."""
    given = parameters.get("properties") is not None or parameters.get("type")
    return f",parameters:{{{','.join(inside)}}}" if given else ""


_BARE_KEY = re.compile(r"([{,]\s*)([\w.$-]+)(\s*):")
_PLACE = re.compile(r"\x00(\d+)\x00")
_WORD = r"(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_BARE_VALUE = re.compile(rf"([:\[,]\s*)(?!{_WORD}\s*[,}}\]])([^\s\x00\"{{}}\[\],:][^{{}}\[\],]*)")
_OTHER_TEXT = r"""([{\[:,]\s*)(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')(?=\s*[,}\]:])"""
"""A text in the quotation marks of other models, where one may stand."""


def _said(text: str | None) -> str | None:
    """Return what a text of JSON says, itself if it is none."""
    try:
        return None if text is None else str(written_json(f'"{text}"'))
    except ValueError:
        return text


def read_arguments(text: str, quote: str) -> dict[str, Any] | None:
    """Return the object of arguments in a call, ``None`` if it cannot be read; ``quote`` stands around texts."""
    texts: list[str] = []

    def place(match: re.Match[str]) -> str:
        own, before, double, single = match.groups()
        texts.append(next(said for said in (own, single, _said(double)) if said is not None))
        return f"{before or ''}\x00{len(texts) - 1}\x00"

    mark = re.escape(quote)
    text = re.sub(f"{mark}(.*?){mark}|{_OTHER_TEXT}", place, text.replace("\x00", ""), flags=re.DOTALL)
    text = _BARE_KEY.sub(r'\1"\2"\3:', text)
    text = _BARE_VALUE.sub(lambda match: match[1] + json.dumps(match[2].strip()), text)
    text = _PLACE.sub(lambda match: json.dumps(texts[int(match[1])]), text)
    try:
        value = written_json(text, strict=True)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
