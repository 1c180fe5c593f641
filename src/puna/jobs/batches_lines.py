"""The lines of a batch's input file: checked as a whole, and put in the order in which they are best answered."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from puna.outside import read_json

MOST_LINES = 50_000
"""As with OpenAI."""
_MOST_ERRORS = 100
_LONGEST_ID = 512
_COMPARED = 512
_LENGTHS = (1 << 11, 1 << 13, 1 << 15, 1 << 17)
"""Prompts are sorted by their first ``_COMPARED`` bytes; those that are alike for so many come one after another."""
_FIRST_FIELDS = ("tools", "instructions", "system", "messages", "prompt", "input")
"""What a prompt is made of, in about the order in which it stands there."""

Error = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch: its number from 0, where it lies in the file, and the name that its caller gave it."""

    number: int
    offset: int
    length: int
    custom_id: str


@dataclass(frozen=True, slots=True)
class Lines:
    """The requests of a file in the order in which they are to be answered, the model that all of them ask ("" if they
    differ), and what makes the file as a whole unusable, in OpenAI's form."""

    lines: list[Line]
    model: str
    errors: list[Error]


def read_lines(path: Path) -> Lines:
    """Return what a file holds. Only what leaves a line without a name of its own spoils the file."""
    order: list[tuple[tuple[str, bytes, int], Line]] = []
    named: set[str] = set()
    models: set[str] = set()
    errors: list[Error] = []
    for number, offset, data in _numbered(path):
        if number >= MOST_LINES:
            errors.append(_error("too_many_requests", f"a batch has at most {MOST_LINES} requests", number, "limit"))
            break
        asked = _object(data)
        custom_id = asked.get("custom_id") if asked is not None else None
        if asked is None:
            errors.append(_error("invalid_json_line", "the line is not a JSON object", number))
        elif not isinstance(custom_id, str) or not 0 < len(custom_id) <= _LONGEST_ID:
            words = f"custom_id must be a text of 1 to {_LONGEST_ID} characters"
            errors.append(_error("invalid_custom_id", words, number, "custom_id"))
        elif custom_id in named:
            words = f"the custom_id {custom_id[:100]!r} is that of an earlier line"
            errors.append(_error("duplicate_custom_id", words, number, "custom_id"))
        else:
            named.add(custom_id)
            model, beginning = _beginning(asked.get("body"))
            models.add(model)
            order.append(((model, beginning, number), Line(number, offset, len(data), custom_id)))
        if len(errors) >= _MOST_ERRORS:
            break
    if not named and not errors:
        errors.append({"code": "empty_file", "message": "the file has no requests", "line": None, "param": None})
    order.sort(key=lambda entry: entry[0])
    return Lines([line for _, line in order], models.pop() if len(models) == 1 else "", errors)


def _numbered(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield each line that is not empty, with its number and its offset."""
    number, offset = 0, 0
    with path.open("rb") as file:
        for data in file:
            if data.strip():
                yield number, offset, data
                number += 1
            offset += len(data)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = read_json(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _beginning(body: object) -> tuple[str, bytes]:
    """Return the model that a body asks, and a short key by which prompts with a common beginning are neighbours."""
    if not isinstance(body, Mapping):
        return "", b""
    try:
        text = orjson.dumps([body[name] for name in _FIRST_FIELDS if name in body])
    except orjson.JSONEncodeError:  # nested deeper than any route takes
        text = b""
    digests = (hashlib.blake2b(text[:length], digest_size=8).digest() for length in _LENGTHS)
    return str(body.get("model", "")), text[:_COMPARED].ljust(_COMPARED, b"\0") + b"".join(digests)


def _error(code: str, message: str, number: int, param: str | None = None) -> Error:
    return {"code": code, "message": message, "line": number + 1, "param": param}
