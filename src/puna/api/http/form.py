"""Forms with files (RFC 7578), bounded like other bodies."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from puna.api.http.body import read_limited, stream_limited
from puna.errors import BadRequestError
from puna.settings import Settings

_MOST_FILES, _MOST_FIELDS = 4, 200


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each with all its values, and its files."""

    fields: dict[str, list[str]]
    files: dict[str, bytes]

    def one(self, name: str, default: str = "") -> str:
        """Return the last value of a field."""
        return self.fields.get(name, [default])[-1]

    def all(self, name: str) -> list[str]:
        """Return the values of a field, whose name may end with ``[]``."""
        return [*self.fields.get(name, []), *self.fields.get(f"{name}[]", [])]


async def read_form(request: Request) -> Form:
    """Return the form in a request's body; raise ``BadRequestError`` if it is none."""
    settings: Settings = request.app.state.settings
    data = await read_limited(request, settings.max_body)

    async def body() -> AsyncGenerator[bytes, None]:
        yield data

    async with _parsed(request, body()) as (fields, files):
        return Form(fields, {name: await value.read() for name, value in files.items()})


@asynccontextmanager
async def uploaded(request: Request) -> AsyncGenerator[tuple[Form, UploadFile], None]:
    """Give a form in a request's body and its file ``file``, which lies on the disk, as long as the context lasts."""
    settings: Settings = request.app.state.settings
    async with _parsed(request, stream_limited(request, settings.max_body)) as (fields, files):
        if "file" not in files:
            raise BadRequestError("file is required", param="file")
        yield Form(fields, {}), files["file"]


@asynccontextmanager
async def _parsed(
    request: Request, body: AsyncGenerator[bytes, None]
) -> AsyncGenerator[tuple[dict[str, list[str]], dict[str, UploadFile]], None]:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequestError("the request must be a form (multipart/form-data)")
    parser = MultiPartParser(request.headers, body, max_files=_MOST_FILES, max_fields=_MOST_FIELDS)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise BadRequestError(f"invalid form in the request body: {error}") from None
    fields: dict[str, list[str]] = {}
    files: dict[str, UploadFile] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
        else:
            files[name] = value
    try:
        yield fields, files
    finally:
        await form.close()
