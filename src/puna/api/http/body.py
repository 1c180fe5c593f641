"""Request bodies: bounded, JSON whatever the content type says, checked against a schema."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import orjson
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PrivateAttr, ValidationError, model_validator
from pydantic_core import CoreSchema
from starlette.requests import ClientDisconnect, Request

from puna.api.http.responses import ClientGoneError
from puna.errors import BadRequestError, EncodedBodyError, PayloadTooLargeError
from puna.garbage import unlooked
from puna.outside import listed, read_json
from puna.settings import Settings

T = TypeVar("T")
_log = logging.getLogger(__name__)
_TYPE_WORDS = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "float_type": "a number",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

_BRANCH_WORDS = {
    "str": "a string",
    "bool": "a boolean",
    "int": "an integer",
    "float": "a number",
    "list[str]": "an array of strings",
    "list[int]": "an array of integers",
    "list[list[int]]": "an array of arrays of integers",
    "list[constrained-int]": "an array of integers",
    "list[list[constrained-int]]": "an array of arrays of integers",
    "list[dict[str,any]]": "an array of objects",
    "dict[str,any]": "an object",
}
"""Pydantic's words for the alternatives of a union, and ours."""

_MAX_DEPTH = 100
"""What the encoders on the way to the engine take is deeper than this, but not by much."""

_LARGE = 1 << 16
"""Bytes of a body that is worked on beside the event loop: so many may hold it for tens of milliseconds."""

_MOST_ERRORS = 1000
"""Faults of a body that are looked at one by one: the interpreter makes the list of them in one go."""

_MOST_COMMAS = 300_000
"""JSON has one value more than commas at most, apart from empty ones; each takes far more memory than bytes of a body,
and reading them lets nothing else happen."""

_MOST_PLACES = 50_000
"""Arrays and objects of a body together, and names in it: what of JSON takes longest to read and, as long as it is
there, to look through for garbage. Neither lets anything else happen: 600,000 of them took 60 to 100 ms each time."""


_BACKSLASH = ord("\\")


def _with_first_faults(schema: Any) -> Any:
    """Return pydantic's plan for a check in which that of an array ends at its first fault."""
    if isinstance(schema, dict):
        changed = {name: _with_first_faults(part) for name, part in schema.items()}
        return changed | {"fail_fast": True} if schema.get("type") == "list" else changed
    return [_with_first_faults(part) for part in schema] if isinstance(schema, list) else schema


class Body(BaseModel):
    """The base of every request body. Types are not converted; fields that nobody knows are logged, not refused.

    Of an array the first fault is told: pydantic makes all of them in one go, in half a second for 300,000, in which
    nothing else happens.
    """

    model_config = ConfigDict(strict=True, extra="allow")
    _large: bool = PrivateAttr(default=False)

    @property
    def unknown(self) -> list[str]:
        """Return the names of fields that nobody knows."""
        return sorted(self.model_extra or ())

    async def in_turns(self, work: Callable[[], T]) -> T:
        """Return what ``work`` makes of the body; for a large one it is done beside the event loop."""
        return await asyncio.to_thread(_looked_through_later, work) if self._large else work()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast(CoreSchema, _with_first_faults(handler(source)))

    @model_validator(mode="before")
    @classmethod
    def _as_go_reads_it(cls, value: Any) -> Any:
        """Take ``null`` for a field that is not there, and names in any case, as Go's decoder does."""
        if not isinstance(value, dict):
            return value
        given = {name: item for name, item in value.items() if item is not None}
        return in_their_case(given, _field_names(cls))


B = TypeVar("B", bound=Body)


@cache
def _field_names(model: type[Body]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def in_their_case(value: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return an object with those of its keys that differ from one of ``names`` by case only under that name.

    A key that is spelt exactly wins (Go's ``encoding/json``; clients in C# send ``Model``).
    """
    others = [name for name in value if name not in names]
    if not others:
        return dict(value)
    lower = {name.lower(): name for name in names}
    found = {lower[name.lower()]: value[name] for name in others if name.lower() in lower}
    return {**found, **{name: item for name, item in value.items() if name in names or name.lower() not in lower}}


def json_body(model: type[B]) -> Callable[[Request], Coroutine[Any, Any, B]]:
    """Return a dependency that reads the body of a request as ``model``.

    Ollama reads JSON whatever ``Content-Type`` says (curl says it is a form), so this does too.
    """

    async def read(request: Request) -> B:
        settings: Settings = request.app.state.settings
        parts = [part async for part in stream_limited(request, settings.max_body)]
        return await validated_in_turns(model, parts, request.url.path)

    return read


def request_body(model: type[Body]) -> dict[str, Any]:
    """Return the description of a body for the OpenAPI pages, which cannot see through ``json_body``."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


async def read_limited(request: Request, limit: int) -> bytes:
    """Return the whole body; raise ``PayloadTooLargeError`` as soon as it is known to be over ``limit`` bytes."""
    return _joined([part async for part in stream_limited(request, limit)])


def _joined(parts: Sequence[bytes]) -> bytes:
    """Return the parts of a body as one; of a large one they are many megabytes to copy."""
    return b"".join(parts)


async def stream_limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body as it comes; raise ``PayloadTooLargeError`` as soon as it is known to be over ``limit`` bytes."""
    refuse_encoded(request)
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            yield part
    except ClientDisconnect:
        raise ClientGoneError from None


def refuse_encoded(request: Request) -> None:
    """Raise ``EncodedBodyError`` for a body that is compressed: few bytes can be very many."""
    named = ",".join(request.headers.getlist("content-encoding"))
    encodings = [name.strip().lower() for name in named.split(",")]
    if others := [name for name in encodings if name not in ("", "identity")]:
        raise EncodedBodyError(listed(others))


def _looked_through_later(work: Callable[[], T]) -> T:
    with unlooked():
        return work()


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"request body is larger than the limit of {limit} bytes (PUNA_MAX_BODY)")


async def validated_in_turns(model: type[B], parts: Sequence[bytes], path: str) -> B:
    """Return the parts of a body as ``validated`` does; for a large one that is done beside the event loop."""
    if sum(map(len, parts)) <= _LARGE:
        return validated(model, _joined(parts), path)
    body = await asyncio.to_thread(lambda: validated(model, _joined(parts), path))
    body._large = True
    return body


def validated(model: type[B], data: bytes, path: str) -> B:
    """Return ``data``, a body, as ``model``; raise ``PunaError``. ``path`` is what the log calls the request."""
    if not data.strip():
        raise BadRequestError("missing request body")
    if data.count(b",") > _MOST_COMMAS:
        raise PayloadTooLargeError(f"the request body has more than {_MOST_COMMAS} values")
    if _has_more(data, (b"[", b"{"), _MOST_PLACES):
        raise PayloadTooLargeError(f"the request body has more than {_MOST_PLACES} arrays and objects")
    if _has_more(data, (b":",), _MOST_PLACES):
        raise PayloadTooLargeError(f"the request body has more than {_MOST_PLACES} names")
    with unlooked():
        return _validated(model, data, path)


def _validated(model: type[B], data: bytes, path: str) -> B:
    try:
        value = read_json(data)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"invalid JSON in the request body: {error}") from None
    if not isinstance(value, dict):
        raise BadRequestError("the request body must be a JSON object")
    if _is_deeper(value, _MAX_DEPTH):
        raise BadRequestError(f"the request body is nested more than {_MAX_DEPTH} levels deep")
    try:
        body = model.model_validate(value)
    except ValidationError as error:
        if error.error_count() > _MOST_ERRORS:
            raise BadRequestError(f"the request body has {error.error_count()} values of a wrong type") from None
        raise _refused(error) from None
    if body.unknown:
        _log.warning("%s: unknown fields in the request: %s", path, listed(body.unknown))
    return body


def _has_more(data: bytes, signs: tuple[bytes, ...], most: int) -> bool:
    """Return whether JSON has more than ``most`` of ``signs`` outside its strings.

    Strings are passed over one by one where there are so many in all of it: that takes its time, in which others get
    their turns.
    """
    if sum(map(data.count, signs)) <= most:
        return False
    found = at = 0
    while at < len(data):
        opening = data.find(b'"', at)
        end = len(data) if opening < 0 else opening
        found += sum(data.count(sign, at, end) for sign in signs)
        if found > most:
            return True
        at = _behind_string(data, opening + 1) if opening >= 0 else end
    return False


def _behind_string(data: bytes, start: int) -> int:
    """Return where a string of JSON has ended whose first character is at ``start``."""
    while (quote := data.find(b'"', start)) >= 0:
        before = quote
        while before > start and data[before - 1] == _BACKSLASH:
            before -= 1
        if (quote - before) % 2 == 0:
            return quote + 1
        start = quote + 1
    return len(data)


def _refused(error: ValidationError) -> BadRequestError:
    return BadRequestError(_explain(error), param=_field(error))


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether objects and arrays are nested more than ``levels`` deep."""
    layer = [value]
    for _ in range(levels):
        inner = [item.values() if isinstance(item, dict) else item for item in layer if isinstance(item, dict | list)]
        layer = [item for items in inner for item in items if isinstance(item, dict | list)]
        if not layer:
            return False
    return True


def _field(error: ValidationError) -> str:
    """Return the field that an error names first."""
    return ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"] if not _is_union_branch(part))


def _explain(error: ValidationError) -> str:
    errors = error.errors(include_url=False)
    first, where = errors[0], _field(error)
    if alternatives := _alternatives([item["loc"] for item in errors]):
        return f"{alternatives[0]} must be {' or '.join(alternatives[1:])}"
    word = _TYPE_WORDS.get(first["type"])
    if first["type"] == "missing":
        return f"{where} is required"
    return f"{where} must be {word}" if word else f"{where}: {first['msg'].lower()}"


def _alternatives(places: Sequence[tuple[int | str, ...]]) -> list[str]:
    """Return the field that the first of ``places`` lies in and the types that it may have; nothing if it has one."""
    first = places[0]
    branch = next((index for index, part in enumerate(first) if _is_union_branch(part)), None)
    if branch is None:
        return []
    branches = [str(place[branch]) for place in places if len(place) > branch and place[:branch] == first[:branch]]
    words = [_BRANCH_WORDS.get(name, name) for name in dict.fromkeys(branches)]
    return [".".join(map(str, first[:branch])), *words]


def _is_union_branch(part: object) -> bool:
    """Tell pydantic's words for the alternatives of a union, which no caller wrote, from names of fields."""
    return isinstance(part, str) and (part in _BRANCH_WORDS or "[" in part)
