"""The values of a Modelfile: how they are quoted, and what type a parameter has."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from puna.errors import PunaError

BLANK = " \t"
_SPACE = " \t\r\n"
_LONG = '"""'
_LINE_END = re.compile(r"[\r\n]|\Z")
_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_LISTS = frozenset(["stop", "dry_sequence_breakers", "samplers"])
_TEXTS = frozenset(["grammar"])
_OBJECTS = frozenset(["logit_bias"])


class CannotQuoteError(PunaError):
    """No form of quotation gives the text back: one of its lines ends as the quotation would."""


def read_value(text: str, position: int) -> tuple[str, int] | None:
    """Return the value that begins at ``position`` and where its line ends; ``None`` if its quotation does not end.

    A value ends with its line. One that begins with a quotation mark (or three) goes on to the first line that ends
    with as many; marks and blanks inside, the rest of the lines and the line breaks are part of it.
    """
    begin = position
    while begin < len(text) and text[begin] in BLANK:
        begin += 1
    mark = next((mark for mark in (_LONG, '"') if text.startswith(mark, begin)), "")
    for end in _line_ends(text, begin):
        last = end
        while last > begin and text[last - 1] in _SPACE:
            last -= 1
        if not mark:
            return text[begin:last], end
        if last - begin >= 2 * len(mark) and text.endswith(mark, begin, last):
            return text[begin + len(mark) : last - len(mark)], end
    return None


def _line_ends(text: str, position: int) -> Iterator[int]:
    """Yield where each line ends from ``position`` on, blank lines left out: nothing can end there."""
    begin = position
    while begin <= len(text):
        match = _LINE_END.search(text, begin)
        end = match.start() if match else len(text)
        if begin == position or text[begin:end].strip(BLANK):
            yield end
        begin = end + 1


def quote(text: str) -> str:
    """Return ``text`` so that ``read_value`` gives it back; raise ``CannotQuoteError`` where nothing does."""
    # Text that a quotation mark would end too early is read back as something else, so trying is the whole test.
    for mark in ("", _LONG, '"') if '"' in text or "\n" in text else ("", '"', _LONG):
        written = f"{mark}{text}{mark}"
        if (mark or text) and read_value(written + "\n", 0) == (text, len(written)):
            return written
    raise CannotQuoteError("a Modelfile cannot hold text with a line that ends in three quotation marks")


def parameter_value(name: str, text: str) -> Any:
    """Return a parameter's value: a list for one that may be repeated, else a number or a boolean if it looks so."""
    if name in _LISTS:
        return [text]
    if name in _OBJECTS:
        return _object(text)
    return text if name in _TEXTS else _scalar(text)


def _scalar(text: str) -> Any:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return _BOOLEANS.get(text.lower(), text)


def _object(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return text


def parameter_texts(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every value that ``parameters`` sets, as ``parameter_value`` reads them."""
    for name, value in parameters.items():
        if name in _OBJECTS:
            yield name, json.dumps(value, separators=(",", ":"))
            continue
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield name, str(item).lower() if isinstance(item, bool) else str(item)
