"""Go's literals: strings, characters and numbers, by the rules of ``strconv``."""

import re

from puna.gotemplate.quoting import quote
from puna.gotemplate.values import from_bytes

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([abfnrtv\\'\"]))")
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_MAX_RUNE = 0x10FFFF
# A single underscore may stand between digits and after the prefix of a base.
_BAD_UNDERSCORE = re.compile(r"__|_$|^[+-]?_|_[.pP+-]|[.pP+-]_|^[+-]?[0-9._]*(?:_[eE]|[eE][+-]?_)")
_INTEGER = re.compile(
    r"([+-]?)(?:0[xX](?P<x>_?[0-9a-fA-F_]+)|0[bB](?P<b>_?[01_]+)|0[oO]?(?P<o>_?[0-7_]+)|(?P<d>0|[1-9][0-9_]*))"
)
_DECIMAL_FLOAT = re.compile(r"[+-]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX]_?(?:[0-9a-fA-F][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?|\.[0-9a-fA-F_]+)[pP][+-]?[0-9]+")
_MOST_DIGITS = 64
"""As many as the largest number has in the base with most."""
_BASES = {"x": 16, "b": 2, "o": 8, "d": 10}


def _escape(match: re.Match[str], quote: str) -> bytes:
    """The bytes of one escape sequence; raises ValueError where Go refuses it."""
    hexadecimal, short, long, octal, simple = match.groups()
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if octal is not None:
        if int(octal, 8) > 255:
            raise ValueError("invalid syntax")
        return bytes([int(octal, 8)])
    if simple is not None:
        if simple in "'\"" and simple != quote:
            raise ValueError("invalid syntax")
        return bytes([_SIMPLE[simple]])
    code = int(short or long, 16)
    if code > _MAX_RUNE or 0xD800 <= code < 0xE000:
        raise ValueError("invalid syntax")
    return chr(code).encode()


def _unescape(body: str, quote: str) -> bytes:
    parts: list[bytes] = []
    position = 0
    while True:
        stop = body.find("\\", position)
        if stop < 0:
            break
        match = _ESCAPE.match(body, stop)
        if match is None:
            raise ValueError("invalid syntax")
        parts.append(body[position:stop].encode("utf-8", "surrogatepass"))
        parts.append(_escape(match, quote))
        position = match.end()
    parts.append(body[position:].encode("utf-8", "surrogatepass"))
    return b"".join(parts)


def unquote(text: str) -> str:
    """The string that a quoted or raw literal stands for; ValueError where it is malformed."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    return from_bytes(_unescape(text[1:-1], '"'))


def unquote_char(text: str) -> int:
    """The code of a character literal such as ``'a'`` or ``'\\n'``."""
    body = text[1:-1]
    if not body:
        raise ValueError("invalid syntax")
    match = _ESCAPE.match(body)
    if body[0] == "\\":
        if match is None:
            raise ValueError("invalid syntax")
        # A byte escape names a code, not a piece of UTF-8.
        data = _escape(match, "'")
        byte_escape = match.group(1) is not None or match.group(4) is not None
        code, rest = (data[0] if byte_escape else ord(data.decode())), body[match.end() :]
    else:
        code, rest = ord(body[0]), body[1:]
    if rest:
        raise ValueError(f"malformed character constant: {text}")
    return code


def _integer(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    group = match.lastgroup
    if group is None:
        return None
    digits = match[group].replace("_", "")
    if len(digits) > _MOST_DIGITS:
        digits = digits.lstrip("0")[: _MOST_DIGITS + 1]  # too large either way, and Python reads 4,300 at most
    return int(match[1] + (digits or "0"), _BASES[group])


def _float(text: str) -> float | None:
    plain = text.replace("_", "")
    if _HEX_FLOAT.fullmatch(text):
        try:
            return float.fromhex(plain)
        except OverflowError:
            return None
    if _DECIMAL_FLOAT.fullmatch(text):
        value = float(plain)
        return value if value not in (float("inf"), float("-inf")) else None
    return None


def parse_number(text: str) -> int | float | None:
    """The value of a numeric literal: an int or a float by its syntax, None where it overflows Go's ``int``.

    ValueError, with Go's reason, where it is malformed or too large for 64 bits.
    """
    if text.endswith("i"):
        raise ValueError(f"complex constants are not supported: {text}")
    if _BAD_UNDERSCORE.search(text):
        raise ValueError(f"illegal number syntax: {quote(text)}")
    integer = _integer(text)
    if integer is not None and -(1 << 63) <= integer < (1 << 63):
        return integer
    if integer is not None and 0 <= integer < (1 << 64) and text[0] not in "+-":
        return None
    value = _float(text)
    if value is None and integer is None:
        raise ValueError(f"illegal number syntax: {quote(text)}")
    if value is None or not any(mark in text for mark in ".eEpP"):
        raise ValueError(f"integer overflow: {quote(text)}")
    return value
