"""Schemas as people's libraries write them: what pydantic and zod make of every type, and references."""

import collections
import datetime
import decimal
import enum
import ipaddress
import json
import pathlib
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import pydantic
from pydantic import BaseModel, Field, TypeAdapter


class _Letter(enum.Enum):
    A = "x"
    B = "y"


class _Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class _Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class _Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool


class _Pet(BaseModel):
    one: Annotated[_Cat | _Dog, Field(discriminator="kind")]


class _Tree(BaseModel):
    value: int
    children: list["_Tree"] = []


class _Pair(NamedTuple):
    a: int
    b: str


_NAMED = """
UUID1 UUID3 UUID4 UUID5 FilePath DirectoryPath NewPath SecretStr SecretBytes Base64Bytes Base64Str Base64UrlBytes Json
AnyUrl HttpUrl AnyHttpUrl FileUrl FtpUrl WebsocketUrl PostgresDsn RedisDsn MongoDsn IPvAnyAddress IPvAnyInterface
IPvAnyNetwork PositiveInt NegativeInt NonNegativeInt NonPositiveInt PositiveFloat NonPositiveFloat FiniteFloat StrictInt
StrictStr PastDate FutureDate AwareDatetime NaiveDatetime PastDatetime ByteSize ImportString
"""
_TYPES: dict[str, Any] = {name: getattr(pydantic, name) for name in _NAMED.split()} | {
    str(kind): kind
    for kind in (
        int, float, str, bool, None, bytes, Any, object, complex, decimal.Decimal, datetime.date, datetime.time,
        datetime.datetime, datetime.timedelta, uuid.UUID, _Letter, _Number, Literal[1, "a", None], pathlib.Path,
        re.Pattern, ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, list[int], tuple[int, str],
        tuple[int, ...], set[int], frozenset[str], set[_Letter], dict[str, int], dict[_Letter, int], dict[int, str],
        int | None, int | str, collections.deque[int], Sequence[int], Mapping[str, int], collections.Counter[str],
        _Cat | _Dog, _Pet, _Tree, list[_Tree], _Pair, pydantic.conint(ge=1, le=10), pydantic.conint(multiple_of=5),
        pydantic.confloat(gt=0, lt=1), pydantic.constr(min_length=2, max_length=5),
        pydantic.constr(pattern=r"^\d+$"), pydantic.Json[int], pydantic.conlist(int, min_length=1, max_length=3),
        pydantic.conset(int, min_length=1, max_length=5), pydantic.condecimal(max_digits=5, decimal_places=2),
    )
}  # fmt: skip

PYDANTIC: dict[str, dict[str, Any]] = {name: TypeAdapter(kind).json_schema() for name, kind in _TYPES.items()}

ZOD: dict[str, dict[str, Any]] = json.loads(pathlib.Path(__file__).with_name("zod.json").read_bytes())
"""What zod makes of every type it has; ``scripts/zod_schemas.mjs`` writes the file."""

REFERENCES: list[dict[str, Any]] = [
    {"$defs": {"a~b/c": {"const": 1}}, "$ref": "#/$defs/a~0b~1c"},
    {"$defs": {"a b": {"const": 1}}, "$ref": "#/$defs/a%20b"},
    {"$defs": {"a": {"$anchor": "here", "const": 1}}, "$ref": "#here"},
    {"definitions": {"a": {"type": "null"}}, "items": {"$ref": "#/definitions/a"}, "type": "array"},
    {"properties": {"a": {"type": "null"}, "b": {"$ref": "#/properties/a"}}, "required": ["b"]},
    {"type": "array", "items": {"$ref": "#"}},
    {"properties": {"a": {"$id": "b", "type": "null"}}, "required": ["a"]},
    {"properties": {"$id": {"type": "null"}, "b": {"$ref": "#/properties/$id"}}, "required": ["b"]},
    {"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"type": "integer", "minimum": 2}}},
]
