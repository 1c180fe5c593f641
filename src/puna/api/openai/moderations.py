"""``/v1/moderations``: there is no model for it."""

from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import ANY
from puna.api.access.scopes import needs
from puna.errors import NotFoundError

router = APIRouter()


@router.post("/moderations", tags=["openai"])
@needs(ANY)
async def moderations_route() -> Response:
    """Say that texts are not moderated here."""
    raise NotFoundError("moderations are not offered: no model here classifies texts by OpenAI's categories")
