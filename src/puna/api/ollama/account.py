"""What Ollama's clients ask about its cloud, answered as by an Ollama without one: nobody is signed in."""

from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import ANY
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.errors import PunaError

router = APIRouter()


class NotSignedInError(PunaError):
    """There is no account; the texts are Ollama's."""

    status = 401


@router.get("/api/status", tags=["server"])
@needs(ANY)
async def status_route() -> Response:
    """Say that there is no cloud."""
    return json_response({"cloud": {"disabled": True, "source": "env"}})


@router.post("/api/me", tags=["server"])
@needs(ANY)
async def me_route() -> Response:
    """Say that nobody is signed in."""
    raise NotSignedInError("unauthorized")


@router.post("/api/signout", tags=["server"])
@router.delete("/api/user/keys/{key}", tags=["server"], include_in_schema=False)
@needs(ANY)
async def signout_route() -> Response:
    """Say that nobody is signed in."""
    raise NotSignedInError("you are not currently signed in")
