"""``/v1/files``: what batches are made of, and what they make."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ANY, INFER
from puna.api.access.identity import owner_of
from puna.api.access.scopes import needs
from puna.api.batching import journal_of
from puna.api.http.form import Form, uploaded
from puna.api.http.responses import Streamed, json_response
from puna.api.openai.pages import page_of
from puna.api.services import ServicesDep
from puna.errors import BadRequestError
from puna.jobs.batches_files import Upload
from puna.outside import whole_number

_MOST = 10_000
_LONGEST_NAME = 255
_LEAST_AGE, _MOST_AGE = 3600, 2_592_000
"""Seconds, as with OpenAI."""
_PURPOSE = "batch"
_TEXT = {"type": "string"}
_FIELDS = {
    "file": {"type": "string", "format": "binary"},
    **dict.fromkeys(("purpose", "expires_after[anchor]", "expires_after[seconds]"), _TEXT),
}
_SCHEMA = {"type": "object", "required": ["file", "purpose"], "properties": _FIELDS}
_FORM = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}}
router = APIRouter()


@router.post("/files", tags=["batches"], openapi_extra=_FORM)
@needs(INFER)
async def upload_route(request: Request, services: ServicesDep) -> Response:
    """Keep a file."""
    journal = journal_of(services)
    async with uploaded(request) as (form, file):
        if form.one("purpose") != _PURPOSE:
            raise BadRequestError('purpose must be "batch": files have no other use here', param="purpose")
        upload = Upload((file.filename or "file")[:_LONGEST_NAME], file.file, _age(form))
        return json_response(await journal.files.add(owner_of(request), upload))


def _age(form: Form) -> float | None:
    seconds, anchor = form.one("expires_after[seconds]"), form.one("expires_after[anchor]", "created_at")
    return age_of(anchor, whole_number(seconds)) if seconds else None


def age_of(anchor: object, seconds: object) -> float:
    """Return how long a file is to be kept; raise ``BadRequestError`` for what OpenAI would refuse."""
    if anchor != "created_at":
        raise BadRequestError('expires_after: anchor must be "created_at"', param="expires_after")
    if not isinstance(seconds, int) or not _LEAST_AGE <= seconds <= _MOST_AGE:
        raise BadRequestError(f"expires_after: seconds must be {_LEAST_AGE} to {_MOST_AGE}", param="expires_after")
    return seconds


@router.get("/files", tags=["batches"])
@needs(ANY)
async def list_files_route(
    request: Request, services: ServicesDep, purpose: str = "", after: str = "", limit: int = _MOST, order: str = "desc"
) -> Response:
    """List the files."""
    if order not in ("asc", "desc"):
        raise BadRequestError('order must be "asc" or "desc"', param="order")
    files = await journal_of(services).files.every(owner_of(request), purpose)
    return json_response(page_of(files if order == "asc" else files[::-1], after, limit, _MOST))


@router.get("/files/{file_id}", tags=["batches"])
@needs(ANY)
async def file_route(request: Request, file_id: str, services: ServicesDep) -> Response:
    """Describe a file."""
    return json_response(await journal_of(services).files.get(owner_of(request), file_id))


@router.get("/files/{file_id}/content", tags=["batches"])
@needs(ANY)
async def content_route(request: Request, file_id: str, services: ServicesDep) -> Response:
    """Return what is in a file; in that of a batch under way is what has been answered so far."""
    parts = await journal_of(services).files.content(owner_of(request), file_id)
    return Streamed(parts, media_type="application/jsonl")


@router.delete("/files/{file_id}", tags=["batches"])
@needs(ANY)
async def delete_file_route(request: Request, file_id: str, services: ServicesDep) -> Response:
    """Remove a file."""
    await journal_of(services).files.delete(owner_of(request), file_id)
    return json_response({"id": file_id, "object": "file", "deleted": True})
