"""The routes of OpenAI's dialect, under each prefix that clients use."""

from fastapi import APIRouter

from puna.api.openai import audio, chat, completions, decisions, embeddings, models, moderations
from puna.api.openai.responses import conversations, responses, socket

_PREFIX = "/v1"
_OTHERS = ("/openai/v1", "")
"""Some clients have a path of their own before ``/v1``, others leave it out."""


def openai_router() -> APIRouter:
    """Return the routes; only those under ``/v1`` are described."""
    router = APIRouter()
    for part in (
        chat,
        completions,
        embeddings,
        models,
        audio,
        moderations,
        decisions,
        responses,
        conversations,
        socket,
    ):
        router.include_router(part.router, prefix=_PREFIX)
        for prefix in _OTHERS:
            router.include_router(part.router, prefix=prefix, include_in_schema=False)
    return router
