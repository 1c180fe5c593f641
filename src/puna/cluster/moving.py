"""Saved conversations that go on on another node: their caches follow them there, where that is quicker than reading.

What a file is valid for stands in the name of its directory (``scheduler.sessions``): the model, the engine's build and
all that shapes a cache. So a node asks others by that name and by the tokens of a prompt, and what it gets is as if it
had saved it itself.
"""

from __future__ import annotations

import asyncio
import logging
import re
import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from yarl import URL

from puna.api.http.responses import json_response
from puna.errors import NotFoundError
from puna.lazy import lazy, loaded
from puna.scheduler.sessions import LEAST_TOKENS, Session, SessionStore

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazy("aiohttp")

UNSEEN_READ_SECONDS = 1 / 400
"""What a token of a prompt is taken to cost until one has been seen to be read."""
_UNSEEN_RATE = 1e8
"""Bytes per second that come from another node until some have come."""
_TRIP_SECONDS = 0.05
_ASK_SECONDS, _SILENT_SECONDS = 1.0, 30.0
_NEW_WEIGHT = 0.3
_MOST_ASKED = 4
"""Nodes that are asked for one prompt."""
_LEAST_GAIN = 256
"""Tokens that must be saved for others to be asked."""
_BLOCK = 1 << 20
_KEY = re.compile(r"[0-9a-f]{32}")
_FILE = re.compile(r"[0-9a-f]{32}\.(session|beginning)")
_log = logging.getLogger(__name__)


class SavedElsewhere:
    """What one node knows of states that others have saved, and fetches from them; see ``Elsewhere``."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._near: dict[str, tuple[URL, ...]] = {}
        self._keys: dict[str, set[str]] = {}
        self._silent: dict[URL, float] = {}
        """Until when those that did not answer are not asked."""
        self._read_seconds: dict[str, float] = {}
        self._rate = _UNSEEN_RATE
        self._session: aiohttp.ClientSession | None = None
        self.brought = 0
        """How many tokens have been brought here, and were not read again."""

    def know(self, digest: str, saved: Iterable[tuple[str, str]]) -> None:
        """Note which directories of a model others have now, each with the address of a node."""
        for key in self._keys.pop(digest, ()):
            self._near.pop(key, None)
        for key, address in saved:
            self._near[key] = (*self._near.get(key, ()), URL(address))
            self._keys.setdefault(digest, set()).add(key)

    def has(self, place: Path) -> bool:
        """See ``Elsewhere``."""
        return place.name in self._near

    def read(self, digest: str, tokens: int, seconds: float) -> None:
        """Note how long tokens of a prompt took to be read by a model."""
        if tokens >= LEAST_TOKENS:
            seen, known = seconds / tokens, self._read_seconds.get(digest)
            self._read_seconds[digest] = seen if known is None else known + _NEW_WEIGHT * (seen - known)

    async def bring(self, place: Path, digest: str, tokens: Sequence[int], known: int) -> Session | None:
        """See ``Elsewhere``."""
        now = time.monotonic()
        near = [url for url in self._near.get(place.name, ()) if self._silent.get(url, 0) <= now][:_MOST_ASKED]
        if not near or len(tokens) - known < _LEAST_GAIN:
            return None
        await loaded("aiohttp")
        body = struct.pack(f"<{len(tokens)}I", *tokens)
        found = await asyncio.gather(*(self._find(url, place.name, body) for url in near))
        offers = [(offer["same"], url, offer) for url, offer in zip(near, found, strict=True) if offer]
        if not offers:
            return None
        same, url, offer = max(offers, key=lambda entry: entry[0])
        reading = (same - known) * self._read_seconds.get(digest, UNSEEN_READ_SECONDS)
        moving = _TRIP_SECONDS + offer["size"] / self._rate
        if same - known < _LEAST_GAIN or moving >= reading:
            _log.info("%d tokens are read again, which is quicker than to bring %d bytes", same - known, offer["size"])
            return None
        try:
            async with asyncio.timeout(reading):
                session = await self._take(url, place, offer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            _log.warning("a saved conversation could not be brought here: %s", error or type(error).__name__)
            return None
        if session:
            self.brought += same - known
            _log.info("brought %d tokens from another node", same - known)
        return session

    async def _find(self, url: URL, key: str, body: bytes) -> dict[str, Any] | None:
        try:
            async with (
                asyncio.timeout(_ASK_SECONDS),
                self._client().post(url / "sessions" / key, data=body) as answer,
            ):
                return dict(await answer.json()) if answer.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            self._silent[url] = time.monotonic() + _SILENT_SECONDS  # it has gone, or has other things to do
            return None

    async def _take(self, url: URL, place: Path, offer: dict[str, Any]) -> Session | None:
        """Fetch a file and keep it; raise ``OSError`` or ``ValueError`` where it is not what was offered."""
        began = time.monotonic()
        if not _FILE.fullmatch(offer["name"]):
            raise ValueError(f"{offer['name']!r} is no name of a saved state")
        unfinished = self._store.unfinished(place)
        try:
            with unfinished.open("xb") as file:
                async with self._client().get(url / "sessions" / place.name / offer["name"]) as answer:
                    answer.raise_for_status()
                    async for block in answer.content.iter_chunked(_BLOCK):
                        await asyncio.to_thread(file.write, block)
                if file.tell() != offer["size"]:
                    raise ValueError(f"{file.tell()} bytes came instead of {offer['size']}")
            self._rate += _NEW_WEIGHT * (offer["size"] / (time.monotonic() - began) - self._rate)
            keep = self._store.keep_beginning if offer["name"].endswith(".beginning") else self._store.keep
            return await asyncio.to_thread(keep, unfinished, offer["tokens"])
        finally:
            self._store.remove(unfinished)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()


def session_routes(store: SessionStore) -> APIRouter:
    """Return what other nodes ask of the states that are saved here."""
    router = APIRouter()

    @router.post("/sessions/{key}")
    async def find(request: Request, key: str) -> Response:
        """Tell which file goes furthest with a prompt, whose tokens are the body (32 bits each, little-endian)."""
        body = await request.body()
        if not _KEY.fullmatch(key) or len(body) % 4:
            raise NotFoundError("no state is saved")
        tokens = struct.unpack(f"<{len(body) // 4}I", body)
        best = await asyncio.to_thread(_best, store, key, tokens)
        if best is None:
            raise NotFoundError("no state is saved")
        session, same = best
        size = session.path.stat().st_size
        return json_response({"name": session.path.name, "tokens": len(session.tokens), "same": same, "size": size})

    @router.get("/sessions/{key}/{name}")
    async def read(key: str, name: str) -> Response:
        """Return a file."""
        path = store.place(key) / name if _KEY.fullmatch(key) and _FILE.fullmatch(name) else None
        if path is None or not path.is_file():
            raise NotFoundError("no state is saved")
        return FileResponse(path)

    return router


def _best(store: SessionStore, key: str, tokens: tuple[int, ...]) -> tuple[Session, int] | None:
    """Return the saved state that a prompt has most in common with, if it is that of its own conversation."""
    place = store.place(key)
    saved = [(session, session.shares(tokens)) for session in (*store.sessions(place), *store.beginnings(place))]
    fitting = [(session, same) for session, same in saved if same >= max(LEAST_TOKENS, len(session.tokens) // 2)]
    return max(fitting, key=lambda entry: entry[1], default=None)
