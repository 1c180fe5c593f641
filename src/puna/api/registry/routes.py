"""``/v2/``: what registries serve, for ``puna pull``, Ollama and whoever speaks the OCI distribution protocol.

A repository is a model's name without registry and tag. ``ns`` says which registry that name has, as containerd asks
its mirrors; without it, it is that of names that say none.
"""

import json
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import REGISTRY
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.registry.ranges import asked_range, blob_response
from puna.api.registry.shelf import Shelf, repository_of
from puna.api.services import ServicesDep
from puna.models.manifests import MANIFEST_TYPE
from puna.models.store import digest_bytes, parse_digest

_VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}
_MOST = 1000
router = APIRouter(tags=["registry"])


@router.get("/v2/")
@needs(REGISTRY)
async def version_route() -> Response:
    """Tell that this is a registry."""
    return json_response({}, headers=_VERSION)


@router.get("/v2/_catalog")
@needs(REGISTRY)
async def catalog_route(
    request: Request, services: ServicesDep, ns: str = "", n: int = _MOST, last: str = ""
) -> Response:
    """List the repositories of the models that are shared."""
    shelf = await Shelf.of(services)
    names = sorted({repository_of(model.name) for model in shelf.models(ns)})
    return _page(request, "repositories", names, n, last)


@router.get("/v2/{repository:path}/tags/list")
@needs(REGISTRY)
async def tags_route(
    request: Request, repository: str, services: ServicesDep, ns: str = "", n: int = _MOST, last: str = ""
) -> Response:
    """List the tags of a repository."""
    models = (await Shelf.of(services)).repository(repository, ns)
    return _page(request, "tags", sorted(model.name.tag for model in models), n, last, name=repository)


@router.get("/v2/{repository:path}/manifests/{reference}")
@router.head("/v2/{repository:path}/manifests/{reference}", include_in_schema=False)
@needs(REGISTRY)
async def manifest_route(repository: str, reference: str, services: ServicesDep, ns: str = "") -> Response:
    """Return the manifest of a tag, or of a digest, in the bytes that make its digest."""
    raw = (await Shelf.of(services)).manifest(repository, ns, reference).manifest.raw
    digest = digest_bytes(raw)
    headers = {**_VERSION, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
    return Response(raw, headers=headers, media_type=_media_type(raw))


@router.get("/v2/{repository:path}/blobs/{digest}")
@router.head("/v2/{repository:path}/blobs/{digest}", include_in_schema=False)
@needs(REGISTRY)
async def registry_blob_route(
    request: Request, repository: str, digest: str, services: ServicesDep, ns: str = ""
) -> Response:
    """Return a blob of a model, or a range of it."""
    digest = parse_digest(digest)
    shelf = await Shelf.of(services)
    path = shelf.blob(digest, shelf.repository(repository, ns))
    size = path.stat().st_size
    return blob_response(request, path, digest, size, asked_range(request, size, f'"{digest}"'))


def _media_type(raw: bytes) -> str:
    return str(json.loads(raw).get("mediaType") or MANIFEST_TYPE)


def _page(request: Request, key: str, names: list[str], most: int, last: str, **more: Any) -> Response:
    """Return a page of a list, with a link to the next one where there is more."""
    rest = [name for name in names if name > last] if last else names
    most = max(0, min(most, _MOST))
    headers = dict(_VERSION)
    if most and len(rest) > most:
        following = request.url.include_query_params(n=most, last=rest[most - 1])
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return json_response({**more, key: rest[:most]}, headers=headers)
