"""``/api/puna/sessions``: the conversations' caches that are on disk."""

from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.responses import Response

from puna.accounts.grant import ADMIN
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.services import ServicesDep

router = APIRouter()


@router.get("/api/puna/sessions", tags=["sessions"])
@needs(ADMIN)
async def sessions_route(services: ServicesDep) -> Response:
    """List the saved sessions, the most recently used first."""
    saved = await services.service.sessions()
    return json_response(
        {
            "limit": saved.limit,
            "sessions": [
                {
                    "model": info.model,
                    "tokens": info.tokens,
                    "size": info.size,
                    "used_at": datetime.fromtimestamp(info.used_at, UTC),
                    "beginning": info.beginning,
                }
                for info in saved.sessions
            ],
        }
    )


@router.delete("/api/puna/sessions", tags=["sessions"])
@needs(ADMIN)
async def clear_route(services: ServicesDep) -> Response:
    """Remove all saved sessions. Those in memory are saved again when their model leaves it."""
    return json_response({"removed": await services.service.clear_sessions()})
