"""``/api/puna/keys``: the keys, for whoever has one with the scope ``admin``, or the login of ``OLLAMA_BASIC_AUTH``."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts import changes
from puna.accounts.errors import KeyForbidsError
from puna.accounts.grant import ADMIN
from puna.api.access.identity import IDENTITY, Identity
from puna.api.access.scopes import needs
from puna.api.http.body import Body, json_body, request_body
from puna.api.http.responses import json_response
from puna.api.services import Services, ServicesDep

router = APIRouter()


class GrantBody(Body):
    """What a key may do; what is left out stays as it is, or as it is for a new key. See ``Grant``."""

    scopes: list[str] | None = None
    models: list[str] | None = None
    routes: list[str] | None = None
    rate: str | None = None
    tokens: str | None = None
    concurrent: int | None = None
    priority: str | None = None
    weight: float | None = None
    expires: str | None = None


class KeyBody(GrantBody):
    """The body of ``POST /api/puna/keys``."""

    name: str


async def _store(request: Request, services: ServicesDep) -> Services:
    """Return the services to somebody who has shown that they may change keys.

    A server without keys is open to everybody who reaches it: they must not lock its owner out.
    """
    identity: Identity = request.scope[IDENTITY]
    if not identity.is_proven:
        raise KeyForbidsError("the first key is made on the machine of the server: puna key create NAME --scope admin")
    return services


_Services = Annotated[Services, Depends(_store)]


@router.get("/api/puna/keys", tags=["keys"])
@needs(ADMIN)
async def list_route(services: _Services) -> Response:
    """List the keys, without what would let anybody in."""
    keys = await services.accounts.read(lambda store: store.keys())
    return json_response({"keys": [changes.described(key) for key in keys]})


@router.post("/api/puna/keys", tags=["keys"], openapi_extra=request_body(KeyBody))
@needs(ADMIN)
async def create_key_route(body: Annotated[KeyBody, Depends(json_body(KeyBody))], services: _Services) -> Response:
    """Make a key. Its text is in this answer and nowhere else."""
    key, text = await services.accounts.write(lambda store: changes.create(store, body.name, body.model_dump()))
    return json_response({**changes.described(key), "key": text})


@router.patch("/api/puna/keys/{name}", tags=["keys"], openapi_extra=request_body(GrantBody))
@needs(ADMIN)
async def change_key_route(
    name: str, body: Annotated[GrantBody, Depends(json_body(GrantBody))], services: _Services
) -> Response:
    """Change what a key may do, from the next request on."""
    key = await services.accounts.write(lambda store: changes.change(store, name, body.model_dump()))
    return json_response(changes.described(key))


@router.post("/api/puna/keys/{name}/rotate", tags=["keys"])
@needs(ADMIN)
async def rotate_key_route(name: str, services: _Services) -> Response:
    """Give a key a new text, which is in this answer and nowhere else; the old one lets nobody in any more."""
    key, text = await services.accounts.write(lambda store: changes.rotate(store, name))
    return json_response({**changes.described(key), "key": text})


@router.delete("/api/puna/keys/{name}", tags=["keys"])
@needs(ADMIN)
async def revoke_key_route(name: str, services: _Services) -> Response:
    """End a key: its next request is not let in."""
    key = await services.accounts.write(lambda store: changes.revoke(store, name))
    return json_response(changes.described(key))
