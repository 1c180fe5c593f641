"""Text from outside, made fit to be read, and to be shown: in the log, where it must not look like a line, in errors,
and in JSON of which each line is an object."""

import re
from collections.abc import Collection
from itertools import islice
from typing import Any

import orjson

_LOGIN = re.compile(r"(?<=://)[^\s/\"']*@|(?<![\w.~%+@/-])[\w.~%+-]+:[^\s/\"'@:]+@(?=[\w.\[-])(?!sha256)")
"""What stands between ``://`` and ``@``, and ``user:password@`` before a host without a scheme."""

_DIGITS = re.compile("[0-9]{1,18}")

_LINE_ENDS = {character.encode(): rf"\u{ord(character):04x}".encode() for character in "\u0085\u2028\u2029"}
"""Characters that JSON may have as they are, and at which ``str.splitlines`` ends a line, with their escapes."""


_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(rb"(?<!\\)((?:\\\\)*)(?:" + _HIGH + rb"(?!" + _LOW + rb")|(?<!" + _HIGH + rb")" + _LOW + rb")")
"""Half of a surrogate pair in JSON, and the backslashes before it that are meant as such."""
_MOST_MENDED = 16 << 20
"""Bytes of JSON in which halves are looked for, which lets nothing else happen."""


def read_json(data: bytes) -> Any:
    """Return what JSON means; half of a surrogate pair becomes U+FFFD, as in Go's decoder.

    JavaScript cuts texts there without a word, so that one emoji would fail a conversation for ever. Raises
    ``orjson.JSONDecodeError``.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "surrogate" not in str(error) or b"\\u" not in data or len(data) > _MOST_MENDED:
            raise
        return orjson.loads(_HALF.sub(rb"\1\\ufffd", data))


def whole_number(text: str) -> int | None:
    """Return the number that a text of digits is; ``None`` for any other, and for more digits than any number here has:
    Python refuses to read thousands of them."""
    return int(text) if _DIGITS.fullmatch(text) else None


def on_one_line(data: bytes) -> bytes:
    """Return JSON without characters at which readers of a stream end a line that read it as text, as httpx does.

    Go's encoder escapes most of them as well, so that Ollama's client needs it.
    """
    if data.isascii():
        return data
    if data.find(b"\xe2\x80") >= 0 or data.find(b"\xc2\x85") >= 0:  # nearly never; "in" tries numbers first
        for character, escape in _LINE_ENDS.items():
            data = data.replace(character, escape)
    return data


def printable(text: str) -> str:
    """Return ``text`` with an escape in place of each character that is not printed: ends of lines, colours, marks
    that turn the direction of writing."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def bounded(text: str, limit: int) -> str:
    """Return ``text`` with at most ``limit`` characters and, where it was longer, word of how many there were."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def listed(names: Collection[str]) -> str:
    """Return names from outside as they stand in the log, a bounded number of them: those that are no plain word in
    quotes, so that none can be taken for two, or for the text around it."""
    shown = [name if name.isidentifier() else repr(name) for name in (bounded(name, 100) for name in islice(names, 20))]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def without_logins(text: str) -> str:
    """Return ``text`` with ``…`` in place of the user and password of every address in it."""
    return _LOGIN.sub("…@", text) if "@" in text else text
