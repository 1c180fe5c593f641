"""Go's ``fmt``: the default text of values, and ``printf``.

Written after the documentation of ``fmt`` and the behaviour of ``src/fmt/print.go``.
"""

from collections.abc import Sequence
from typing import Any

from puna.gotemplate.errors import FunctionError
from puna.gotemplate.numbers import (
    Flags,
    format_float,
    format_integer,
    format_unicode,
    pad,
)
from puna.gotemplate.quoting import can_backquote, quote, quote_rune
from puna.gotemplate.values import (
    NO_VALUE,
    Function,
    NamedMap,
    Stringer,
    Struct,
    kind,
    sorted_items,
    to_bytes,
    type_name,
)

MAX_WIDTH = 1_000_000
MAX_DEPTH = 100
_INTEGER_BASES = {"v": 10, "d": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}
_FLOAT_PRECISIONS = {"v": -1, "b": -1, "g": -1, "G": -1, "x": -1, "X": -1, "f": 6, "F": 6, "e": 6, "E": 6}
_PLAIN = Flags()


def print_values(values: Sequence[Any]) -> str:
    """``fmt.Sprint``: spaces between operands when neither is a string."""
    parts: list[str] = []
    after_string = True
    for index, value in enumerate(values):
        is_string = isinstance(value, str)
        if index and not is_string and not after_string:
            parts.append(" ")
        parts.append(value if is_string else format_value(value, "v", _PLAIN))
        after_string = is_string
    return "".join(parts)


def print_action(value: Any) -> str:
    """What an action writes: like :func:`print_values`, but a pointer shows what it points to."""
    text = print_values((value,))
    return text.removeprefix("&") if isinstance(value, Struct) and value.pointer else text


def print_line(values: Sequence[Any]) -> str:
    """``fmt.Sprintln``: spaces between all operands and a newline at the end."""
    return " ".join(print_values((value,)) for value in values) + "\n"


def format_value(value: Any, verb: str, flags: Flags, depth: int = 0) -> str:
    """One operand under one verb."""
    if depth > MAX_DEPTH:
        raise FunctionError("value is nested too deeply to print")
    if value is None or value is NO_VALUE:
        return _nil(verb, flags, depth)
    if depth == 0 and verb == "T":
        return _string(type_name(value), "s", flags)
    if verb == "w":
        return _bad_verb(value, verb, flags)
    if depth == 0 and verb == "p":
        return _pointer(value, verb, flags)
    if isinstance(value, Stringer) and not flags.sharp_v and verb in "vsxXq":
        return _string(value.go_string(), verb, flags)
    return _FORMATTERS[kind(value)](value, verb, flags, depth)


def _nil(verb: str, flags: Flags, depth: int) -> str:
    if depth > 0:
        return "interface {}(nil)" if flags.sharp_v else "<nil>"
    return pad("<nil>", flags) if verb in "vT" else f"%!{verb}(<nil>)"


def _bad_verb(value: Any, verb: str, flags: Flags) -> str:
    # Go does not ask for String() while it reports an error.
    return f"%!{verb}({type_name(value)}={_FORMATTERS[kind(value)](value, 'v', flags, 0)})"


def _bool(value: Any, verb: str, flags: Flags, _depth: int) -> str:
    return pad("true" if value else "false", flags) if verb in "tv" else _bad_verb(value, verb, flags)


def _integer(value: Any, verb: str, flags: Flags, _depth: int) -> str:
    if verb == "v" and flags.sharp_v and kind(value) == "uint":
        return format_integer(value, 16, "x", Flags(sharp=True, width=flags.width, minus=flags.minus))
    if verb in _INTEGER_BASES:
        return format_integer(value, _INTEGER_BASES[verb], verb, flags)
    if verb == "c":
        return pad(chr(value) if _is_rune(value) else "\ufffd", flags)
    if verb == "q":
        return pad(quote_rune(value, ascii_only=flags.plus), flags)
    if verb == "U":
        return format_unicode(value, flags)
    return _bad_verb(value, verb, flags)


def _is_rune(code: int) -> bool:
    return 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000


def _float(value: Any, verb: str, flags: Flags, _depth: int) -> str:
    precision = _FLOAT_PRECISIONS.get(verb)
    if precision is None:
        return _bad_verb(value, verb, flags)
    shown = {"v": "g", "F": "f"}.get(verb, verb)
    return format_float(value, shown, precision, flags)


def _string(value: Any, verb: str, flags: Flags, _depth: int = 0) -> str:
    if verb == "v":
        verb = "q" if flags.sharp_v else "s"
    if verb == "s":
        return pad(_cut(value, flags), flags)
    if verb == "q":
        return _quoted(_cut(value, flags), flags)
    if verb in "xX":
        return _hex_string(value, verb, flags)
    return _bad_verb(value, verb, flags)


def _cut(text: str, flags: Flags) -> str:
    return text if flags.precision is None else text[: flags.precision]


def _quoted(text: str, flags: Flags) -> str:
    if flags.sharp and can_backquote(text):
        return pad(f"`{text}`", flags)
    return pad(quote(text, ascii_only=flags.plus), flags)


def _hex_string(text: str, verb: str, flags: Flags) -> str:
    data = to_bytes(text)
    if flags.precision is not None:
        data = data[: flags.precision]
    digits = [f"{byte:02x}" if verb == "x" else f"{byte:02X}" for byte in data]
    prefix = ("0x" if verb == "x" else "0X") if flags.sharp and digits else ""
    joined = (" " + prefix).join(digits) if flags.space else "".join(digits)
    return pad(prefix + joined, flags)


def _list(value: Any, verb: str, flags: Flags, depth: int) -> str:
    if verb in "sqxX" and value and all(kind(item) == "uint" for item in value):
        return _string(bytes(value).decode("utf-8", "surrogateescape"), verb, flags)
    items = [format_value(item, verb, flags, depth + 1) for item in value]
    if flags.sharp_v:
        return type_name(value) + "{" + ", ".join(items) + "}"
    return "[" + " ".join(items) + "]"


def _map(value: Any, verb: str, flags: Flags, depth: int) -> str:
    entries = [
        format_value(key, verb, flags, depth + 1) + ":" + format_value(item, verb, flags, depth + 1)
        for key, item in sorted_items(value)
    ]
    if flags.sharp_v:
        return type_name(value) + "{" + ", ".join(entries) + "}"
    return "map[" + " ".join(entries) + "]"


def _struct(value: Any, verb: str, flags: Flags, depth: int) -> str:
    if not isinstance(value, Struct):
        return f"?{type_name(value)}?"
    named = flags.plus_v or flags.sharp_v
    fields = [
        (f"{name}:" if named else "") + format_value(item, verb, flags, depth + 1)
        for name, item in value.fields.items()
    ]
    mark = "&" if value.pointer else ""
    if flags.sharp_v:
        return mark + value.type_name + "{" + ", ".join(fields) + "}"
    return mark + "{" + " ".join(fields) + "}"


def _pointer(value: Any, verb: str, flags: Flags, _depth: int = 0) -> str:
    # Addresses mean nothing here: every map, list and function has the same made-up one.
    if kind(value) in ("map", "list", "func") or isinstance(value, NamedMap | Function):
        return pad("0xc000012345", flags)
    return _bad_verb(value, verb, flags)


_FORMATTERS = {
    "bool": _bool,
    "int": _integer,
    "uint": _integer,
    "float": _float,
    "string": _string,
    "list": _list,
    "map": _map,
    "struct": _struct,
    "func": _pointer,
}
