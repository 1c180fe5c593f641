"""The routes about models on disk and in memory."""

import asyncio
import json
import logging
from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from puna.accounts.grant import ANY, CREATE
from puna.api.access.scopes import needs
from puna.api.http.body import json_body, refuse_encoded, request_body
from puna.api.http.responses import ClientGoneError, json_response, raw_json_response
from puna.api.ollama.schemas import CopyBody, NamedBody, ShowBody
from puna.api.ollama.show import known_list_body, list_body, running, shown
from puna.api.services import Services, ServicesDep
from puna.errors import BadRequestError, ModelNotFoundError, NotFoundError
from puna.models.registry.threads import in_thread
from puna.models.store import BlobNotFoundError, BlobWriter, parse_digest
from puna.names import InvalidNameError, ModelName, parse_name

router = APIRouter()
_CREATED = 201
_log = logging.getLogger(__name__)
_WRITE_BYTES = 4 << 20


@router.head("/api/tags", include_in_schema=False)
@router.get("/api/tags", tags=["models"])
@needs(ANY)
async def tags_route(services: ServicesDep) -> Response:
    """List the models on disk."""
    body = _known_tags(services)
    return raw_json_response(await asyncio.to_thread(_tags, services) if body is None else body)


def _known_tags(services: Services) -> bytes | None:
    """Return the body of the list if it is known without a look at the disk, which aliases take."""
    has_aliases = next(services.settings.sections.aliases(), None) is not None
    listing = None if has_aliases else services.latest_models()
    return known_list_body(listing) if listing else None


def _tags(services: Services) -> bytes:
    listing = services.models()
    for name, reason in listing.broken:
        _log.warning("model %s is left out of the list: %s", name, reason)
    return list_body(listing, services.aliases())


@router.get("/api/ps", tags=["models"])
@needs(ANY)
async def ps_route(services: ServicesDep) -> Response:
    """List the models in memory."""
    return json_response(
        {"models": [running(state) for state in await services.service.models() if services.sees(state.model.name)]}
    )


@router.post("/api/show", tags=["models"], openapi_extra=request_body(ShowBody))
@needs(ANY)
async def show_route(body: Annotated[ShowBody, Depends(json_body(ShowBody))], services: ServicesDep) -> Response:
    """Describe a model."""
    model = services.model(body.reference)
    return json_response(await asyncio.to_thread(shown, model, verbose=body.verbose, system=body.system))


@router.post("/api/copy", tags=["models"], openapi_extra=request_body(CopyBody))
@needs(CREATE)
async def copy_route(body: Annotated[CopyBody, Depends(json_body(CopyBody))], services: ServicesDep) -> Response:
    """Give a model a second name."""
    source, destination = _named("source", body.source), _named("destination", body.destination)
    services.require(body.destination)
    try:
        model = services.model(str(source))
    except ModelNotFoundError:
        raise NotFoundError(f'model "{body.source}" not found') from None
    await asyncio.to_thread(services.library.copy, model.name, destination)
    return Response()


def _named(field: str, text: str) -> ModelName:
    """Return the name in a field; the error names the field, in Ollama's words."""
    try:
        return parse_name(text)
    except InvalidNameError:
        raise BadRequestError(f"{field} {json.dumps(text, ensure_ascii=False)} is invalid") from None


@router.delete("/api/delete", tags=["models"], openapi_extra=request_body(NamedBody))
@needs(CREATE)
async def delete_route(body: Annotated[NamedBody, Depends(json_body(NamedBody))], services: ServicesDep) -> Response:
    """Remove a model from memory and disk."""
    if not body.reference:
        raise BadRequestError("model is required")
    _named("name", body.reference)
    model = services.model(body.reference)
    if model.name.key != parse_name(body.reference).key:
        services.require(body.reference)  # which says what the alias stands for: that is not to be deleted
    await asyncio.to_thread(services.library.delete, model)
    await services.service.unload(model)
    return Response()


@router.head("/api/blobs/{digest}", tags=["blobs"])
@needs(CREATE)
async def head_blob_route(digest: str, services: ServicesDep) -> Response:
    """Tell whether a blob is in the store."""
    if not services.library.blobs.has(parse_digest(digest)):
        raise BlobNotFoundError(digest)
    return Response()


@router.post("/api/blobs/{digest}", tags=["blobs"], responses={_CREATED: {"description": "Created"}})
@needs(CREATE)
async def post_blob_route(request: Request, digest: str, services: ServicesDep) -> Response:
    """Store the body as the blob of this digest."""
    expected = parse_digest(digest)
    refuse_encoded(request)
    if services.library.blobs.has(expected):
        return await _without_body(request)
    unfinished = ExitStack()
    try:
        writer = await in_thread(lambda: unfinished.enter_context(services.library.blobs.writer()))
        await _receive(request, writer)
        await in_thread(writer.commit, expected)
    finally:  # to remove a large file takes a while
        await in_thread(unfinished.close)
    return Response(status_code=_CREATED)


async def _without_body(request: Request) -> Response:
    """Return the answer that a body is not needed, when the client is ready to read it.

    A client that asked first (``Expect``) is told at once. Most look for an answer only when they have sent all, and
    would meet a closed connection.
    """
    if "expect" in request.headers:
        return Response(headers={"Connection": "close"})
    try:
        async for _ in request.stream():
            pass
    except ClientDisconnect:
        raise ClientGoneError from None
    return Response()


async def _receive(request: Request, writer: BlobWriter) -> None:
    """Write a body of any size, a few MiB at a time."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size >= _WRITE_BYTES:
                await in_thread(writer.write, b"".join(parts))
                parts, size = [], 0
    except ClientDisconnect:
        raise ClientGoneError from None
    await in_thread(writer.write, b"".join(parts))
