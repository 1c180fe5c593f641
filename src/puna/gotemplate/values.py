"""How Go's values look in Python, and Go's names for their types.

``str``, ``bool``, ``int``, ``float``, ``list`` and ``dict`` stand for ``string``, ``bool``, ``int``,
``float64``, ``[]interface {}`` and ``map[string]interface {}``; ``None`` is an ``interface {}`` that holds
nothing. What Go's reflection calls the invalid value is :data:`NO_VALUE`. Python's truth of all of these
is Go's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final


class NoValue:
    """The type of :data:`NO_VALUE`: false, printed as ``<no value>``; its fields are itself."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE: Final = NoValue()


class Uint8(int):
    """A byte, which is what indexing a string gives."""


class Named:
    """A value of a named Go type, such as ``template.Tools``."""

    __slots__ = ()
    type_name: ClassVar[str]


class Stringer:
    """A value with Go's ``String() string`` method, which decides how it is printed."""

    __slots__ = ()

    def go_string(self) -> str:
        """The text that stands for the value."""
        raise NotImplementedError


class NamedList(list[Any], Named):
    """A slice of a named type."""

    type_name = "[]interface {}"


class StringList(NamedList):
    """A ``[]string``."""

    type_name = "[]string"


class NamedMap(dict[str, Any], Named):
    """A map of a named type."""

    type_name = "map[string]interface {}"


class Struct(Named):
    """A struct, or a pointer to one: ``fields`` holds the exported fields in their order."""

    __slots__ = ("fields",)
    pointer: ClassVar[bool] = False

    def __init__(self, **fields: Any) -> None:
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Function:
    """A function in the data, for ``call``. ``arity`` counts its arguments; None takes any number."""

    body: Callable[..., Any]
    arity: int | None = None


def kind(value: object) -> str:
    """The group of Go kinds that ``value`` is in: what comparison and indexing decide by."""
    if value is None or value is NO_VALUE:
        return "invalid"
    for name, types in _KINDS:
        if isinstance(value, types):
            return name
    return "struct"


_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("bool", (bool,)),
    ("uint", (Uint8,)),
    ("int", (int,)),
    ("float", (float,)),
    ("string", (str,)),
    ("list", (list, tuple)),
    ("map", (dict,)),
    ("func", (Function,)),
)

_PLAIN_NAMES = {
    "invalid": "<nil>",
    "bool": "bool",
    "uint": "uint8",
    "int": "int",
    "float": "float64",
    "string": "string",
    "list": "[]interface {}",
    "map": "map[string]interface {}",
    "func": "func()",
}


def type_name(value: object) -> str:
    """Go's name for the type of ``value``, as ``%T`` prints it."""
    if isinstance(value, Struct):
        return ("*" if value.pointer else "") + value.type_name
    if isinstance(value, Named):
        return value.type_name
    return _PLAIN_NAMES.get(kind(value), type(value).__name__)


def sorted_items(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """The entries of a map in the order of Go's ``range`` and printing: by key."""
    return sorted(value.items(), key=lambda item: item[0])


def to_bytes(text: str) -> bytes:
    """The bytes of a Go string; bytes that are not UTF-8 travel as lone surrogates."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half of a surrogate pair is no character: Go's JSON decoder puts U+FFFD in its place.
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text).encode()


def from_bytes(data: bytes) -> str:
    """The inverse of :func:`to_bytes`."""
    return data.decode("utf-8", "surrogateescape")
