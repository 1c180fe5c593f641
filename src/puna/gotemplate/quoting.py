"""Go's quoted forms of strings and characters (``strconv.Quote`` and its family)."""

from puna.gotemplate.values import to_bytes

_SIMPLE = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


def is_print(char: str) -> bool:
    """Whether Go's ``unicode.IsPrint`` holds: anything with a shape, and the ASCII space."""
    return char.isprintable()


def escape_char(char: str, quote_mark: str, *, ascii_only: bool) -> str:
    """One character inside a quoted literal."""
    if char == quote_mark:
        return "\\" + char
    if char in _SIMPLE:
        return _SIMPLE[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if is_print(char) and (code < 0x80 or not ascii_only):
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(text: str, *, ascii_only: bool = False) -> str:
    """``text`` as a double-quoted Go literal."""
    return '"' + "".join(escape_char(char, '"', ascii_only=ascii_only) for char in text) + '"'


def quote_rune(code: int, *, ascii_only: bool = False) -> str:
    """A character as a single-quoted Go literal; a code that is no character becomes U+FFFD."""
    valid = 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000
    return "'" + escape_char(chr(code) if valid else "\ufffd", "'", ascii_only=ascii_only) + "'"


def can_backquote(text: str) -> bool:
    """Whether ``text`` can stand between backquotes unchanged."""
    return not any(c in "`\x7f\ufeff" or (c < " " and c != "\t") or "\ud800" <= c <= "\udfff" for c in text)


def token_text(text: str) -> str:
    """A token as parse errors show it: quoted, and cut after ten characters."""
    if len(to_bytes(text)) > 10:
        return quote(text[:10]) + "..."
    return quote(text)
