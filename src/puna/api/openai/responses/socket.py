"""The Responses API over a WebSocket, as Codex speaks it."""

from fastapi import APIRouter

router = APIRouter()
