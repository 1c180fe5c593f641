"""Forms with files (RFC 7578), bounded like other bodies."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from puna.api.http.body import read_limited
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
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequestError("the request must be a form (multipart/form-data)")
    settings: Settings = request.app.state.settings
    data = await read_limited(request, settings.max_body)

    async def body() -> AsyncGenerator[bytes, None]:
        yield data

    parser = MultiPartParser(request.headers, body(), max_files=_MOST_FILES, max_fields=_MOST_FIELDS)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise BadRequestError(f"invalid form in the request body: {error}") from None
    fields: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    try:
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields.setdefault(name, []).append(value)
            else:
                files[name] = await value.read()
    finally:
        await form.close()
    return Form(fields, files)
