"""The functions that every template may call, with Go's rules and texts.

A function takes the evaluated arguments and raises :class:`FunctionError` where Go's returns an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any
from urllib.parse import quote_from_bytes

from puna.gotemplate.errors import FunctionError
from puna.gotemplate.formatting import print_format
from puna.gotemplate.printing import print_line, print_values
from puna.gotemplate.quoting import is_print
from puna.gotemplate.values import (
    Function,
    Uint8,
    from_bytes,
    kind,
    to_bytes,
    type_name,
)

_HTML = str.maketrans({"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function and its signature.

    ``strings`` says how many of the leading arguments must be strings; ``variadic`` lets more than ``arity``
    arguments follow. ``bulk`` marks one whose work grows with the text it is given.
    """

    body: Callable[..., Any]
    arity: int
    variadic: bool = False
    strings: int = 0
    bulk: bool = False


def _index_number(index: object, limit: int) -> int:
    group = kind(index)
    if group == "invalid":
        raise FunctionError("cannot index slice/array with nil")
    if not isinstance(index, int) or group == "bool":
        raise FunctionError(f"cannot index slice/array with type {type_name(index)}")
    if index < 0 or index > limit:
        raise FunctionError(f"index out of range: {int(index)}")
    return index


def _index(item: Any, *indexes: Any) -> Any:
    if kind(item) == "invalid":
        raise FunctionError("index of untyped nil")
    for index in indexes:
        item = _index_one(item, index)
    return item


def _index_one(item: Any, index: Any) -> Any:
    group = kind(item)
    if group == "invalid":
        raise FunctionError("index of nil pointer")
    if group == "map":
        if not isinstance(index, str):
            if kind(index) == "invalid":
                raise FunctionError("value is nil; should be of type string")
            raise FunctionError(f"value has type {type_name(index)}; should be string")
        return item.get(index)
    if group not in ("list", "string"):
        raise FunctionError(f"can't index item of type {type_name(item)}")
    data = to_bytes(item) if group == "string" else item
    place = _index_number(index, len(data))
    if place == len(data):
        raise FunctionError(f"reflect: {group if group == 'string' else 'slice'} index out of range")
    return Uint8(data[place]) if group == "string" else data[place]


def _slice(item: Any, *indexes: Any) -> Any:
    group = kind(item)
    if group == "invalid":
        raise FunctionError("slice of untyped nil")
    if len(indexes) > 3:
        raise FunctionError(f"too many slice indexes: {len(indexes)}")
    if group not in ("string", "list"):
        raise FunctionError(f"can't slice item of type {type_name(item)}")
    if group == "string" and len(indexes) == 3:
        raise FunctionError("cannot 3-index slice a string")
    ascii_only = group == "string" and item.isascii()
    data = item if group == "list" or ascii_only else to_bytes(item)
    bounds = [0, len(data), len(data)]
    for place, index in enumerate(indexes):
        bounds[place] = _index_number(index, len(data))
    for low, high in pairwise(bounds):
        if low > high:
            raise FunctionError(f"invalid slice index: {low} > {high}")
    part = data[bounds[0] : bounds[1]]
    return from_bytes(part) if isinstance(part, bytes) else part


def _len(item: Any) -> int:
    if isinstance(item, str):
        return len(item) if item.isascii() else len(to_bytes(item))
    if isinstance(item, list | dict | tuple):
        return len(item)
    if kind(item) == "invalid":
        raise FunctionError("len of nil pointer")
    raise FunctionError(f"len of type {type_name(item)}")


def call(name: str, function: Any, *args: Any) -> Any:
    """Calls a function that is in the data; ``name`` is how the template names it."""
    if kind(function) == "invalid":
        raise FunctionError("call of nil")
    if not isinstance(function, Function):
        raise FunctionError(f"non-function {name} of type {type_name(function)}")
    if function.arity is not None and len(args) != function.arity:
        raise FunctionError(f"wrong number of args for {name}: got {len(args)} want {function.arity}")
    return function.body(*args)


def _printable(args: tuple[Any, ...]) -> str:
    if len(args) == 1 and isinstance(args[0], str):
        return args[0]
    return print_values(["<no value>" if kind(arg) == "invalid" else arg for arg in args])


def _html(*args: Any) -> str:
    return _printable(args).translate(_HTML)


def _js(*args: Any) -> str:
    return "".join(_js_char(char) for char in _printable(args))


def _js_char(char: str) -> str:
    if char in _JS:
        return _JS[char]
    if char < " ":
        return f"\\u00{ord(char):02X}"
    if char < "\x80" or is_print(char):
        return char
    return f"\\u{ord(char):04X}"


def _urlquery(*args: Any) -> str:
    return quote_from_bytes(to_bytes(_printable(args)), safe="").replace("%20", "+")


_COMPARABLE = ("bool", "int", "uint", "float", "string")


def equal(first: Any, second: Any) -> bool:
    """``first == second`` under Go's rules; FunctionError for types that cannot be compared."""
    left, right = kind(first), kind(second)
    if left == right:
        return _equal_of_kind(first, second, left)
    if {left, right} == {"int", "uint"}:
        return int(first) == int(second)
    if "invalid" in (left, right):
        # A map, a slice or a function may be nil; here none ever is.
        return False
    if left in _COMPARABLE or right in _COMPARABLE:
        raise FunctionError(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    shown = (_shown(first), type_name(first), type_name(second), print_values((second,)))
    raise FunctionError("non-comparable types {}: {}, {}: {}".format(*shown))


def _shown(value: Any) -> str:
    return print_format("%s", (value,))


def _equal_of_kind(first: Any, second: Any, group: str) -> bool:
    if group in ("map", "list", "func"):
        raise FunctionError(f"non-comparable type {_shown(second)}: {type_name(second)}")
    if group == "struct":
        return first is second
    return group == "invalid" or bool(first == second)


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(equal(first, other) for other in others)


def _ne(first: Any, second: Any) -> bool:
    return not equal(first, second)


def _lt(first: Any, second: Any) -> bool:
    left, right = kind(first), kind(second)
    if left not in _COMPARABLE or right not in _COMPARABLE:
        raise FunctionError("invalid type for comparison")
    if left != right and {left, right} != {"int", "uint"}:
        raise FunctionError(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    if left == "bool":
        raise FunctionError("invalid type for comparison")
    if left == "string" and not (first.isascii() and second.isascii()):
        return to_bytes(first) < to_bytes(second)
    return bool(first < second)


def _le(first: Any, second: Any) -> bool:
    return _lt(first, second) or equal(first, second)


def _gt(first: Any, second: Any) -> bool:
    return not _le(first, second)


def _ge(first: Any, second: Any) -> bool:
    return not _lt(first, second)


def _and(first: Any, *others: Any) -> Any:
    value = first
    for other in others:
        if not value:
            break
        value = other
    return value


def _or(first: Any, *others: Any) -> Any:
    value = first
    for other in others:
        if value:
            break
        value = other
    return value


def _not(value: Any) -> bool:
    return not value


def _print(*args: Any) -> str:
    return print_values(args)


def _println(*args: Any) -> str:
    return print_line(args)


def _printf(template: str, *args: Any) -> str:
    return print_format(template, args)


BUILTINS: Mapping[str, Builtin] = MappingProxyType(
    {
        "and": Builtin(_and, 1, variadic=True),
        "call": Builtin(call, 1, variadic=True),
        "eq": Builtin(_eq, 1, variadic=True, bulk=True),
        "ge": Builtin(_ge, 2, bulk=True),
        "gt": Builtin(_gt, 2, bulk=True),
        "html": Builtin(_html, 0, variadic=True, bulk=True),
        "index": Builtin(_index, 1, variadic=True, bulk=True),
        "js": Builtin(_js, 0, variadic=True, bulk=True),
        "le": Builtin(_le, 2, bulk=True),
        "len": Builtin(_len, 1, bulk=True),
        "lt": Builtin(_lt, 2, bulk=True),
        "ne": Builtin(_ne, 2, bulk=True),
        "not": Builtin(_not, 1),
        "or": Builtin(_or, 1, variadic=True),
        "print": Builtin(_print, 0, variadic=True, bulk=True),
        "printf": Builtin(_printf, 1, variadic=True, strings=1, bulk=True),
        "println": Builtin(_println, 0, variadic=True, bulk=True),
        "slice": Builtin(_slice, 1, variadic=True, bulk=True),
        "urlquery": Builtin(_urlquery, 0, variadic=True, bulk=True),
    }
)
