"""``/v2/_puna/``: what Punas tell each other of the pieces of blobs, whole ones and those that are on their way."""

import asyncio
import os

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import REGISTRY
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response, until_gone
from puna.api.registry.ranges import RangeError, asked_range, blob_response
from puna.api.registry.shelf import BlobUnknownError, Shelf
from puna.api.services import Services, ServicesDep
from puna.errors import BadRequestError
from puna.models.registry.pieces import piece_count, piece_size
from puna.models.registry.sharing import Share
from puna.models.store import parse_digest

_LONGEST_WAIT = 20.0
_LONGEST_NODE = 64
router = APIRouter(tags=["registry"])


@router.get("/v2/_puna/pieces/{digest}")
@needs(REGISTRY)
async def pieces_route(
    request: Request,
    digest: str,
    services: ServicesDep,
    node: str = "",
    epoch: str = "",
    known: int = 0,
    wait: float = 0.0,
) -> Response:
    """Tell which pieces of a blob are here, each with its SHA-256, and which are on their way.

    Of an order of pieces (``epoch``) the first ``known`` are left out; if there are no others, the answer comes with
    the next, or after ``wait`` seconds. A ``node`` says that it pulls the same blob and shares it.
    """
    if len(node) > _LONGEST_NODE or known < 0 or not 0 <= wait <= _LONGEST_WAIT:
        raise BadRequestError(f"wait must lie between 0 and {_LONGEST_WAIT:g}, known must not be negative")
    share = await _share(services, parse_digest(digest))
    sharing = services.transfers.sharing
    if share is None:
        return json_response({"node": sharing.node, "state": "none"})
    if node:
        share.join(node)
    if wait and epoch == share.pieces.epoch and known >= len(share.pieces):
        await until_gone(request, share.wait(wait))
    is_part = sharing.pulling(share.digest) is share
    known = known if epoch == share.pieces.epoch else 0
    return json_response(
        {
            "node": sharing.node,
            "state": "part" if is_part else "whole",
            "epoch": share.pieces.epoch,
            "size": share.size,
            "piece": piece_size(share.size),
            "received": share.received,
            "claims": sorted(share.claims),
            "pieces": share.pieces.since(known, piece_count(share.size)),
        }
    )


@router.get("/v2/_puna/blobs/{digest}")
@needs(REGISTRY)
async def pieces_blob_route(request: Request, digest: str, services: ServicesDep) -> Response:
    """Return a range of a blob that is here as a whole, or of pieces that have arrived already."""
    digest = parse_digest(digest)
    shelf = await Shelf.of(services)
    if share := shelf.pulling(digest):
        part = asked_range(request, share.size, "")
        if part is None or not share.pieces.covers(*part):
            raise RangeError(share.size)
        try:
            return blob_response(request, services.transfers.keeper.partial_path(digest), digest, share.size, part)
        except FileNotFoundError:
            pass  # it has just become a whole one
    path = await asyncio.to_thread(shelf.any_blob, digest)
    if path is None:
        raise BlobUnknownError(digest)
    size = os.stat(path).st_size  # noqa: PTH116
    return blob_response(request, path, digest, size, asked_range(request, size, f'"{digest}"'))


async def _share(services: Services, digest: str) -> Share | None:
    """Return what the request may know of a blob; what it may not is not there."""
    shelf = await Shelf.of(services)
    if share := shelf.pulling(digest):
        return share
    path = await asyncio.to_thread(shelf.any_blob, digest)
    if path is None or not path.stat().st_size:
        return None
    return services.transfers.sharing.whole(digest, path)
