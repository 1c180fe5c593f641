"""Saves the slots of a runner before it ends, and restores those that a request goes on from."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from puna.engine.client import EngineClient
from puna.engine.errors import EngineError, EngineRequestError, RunnerCrashedError
from puna.scheduler.sessions import Session, SessionStore

_log = logging.getLogger(__name__)
_LEAST_TOKENS = 64
"""Reading fewer tokens again is no trouble."""
_ANSWER_SECONDS = 5.0
_SAVE_SECONDS = 20.0


class WarmSlots:
    """The saved sessions that one runner may use. It reads and writes them in ``place``."""

    def __init__(self, store: SessionStore, place: Path) -> None:
        self._store = store
        self.place = place
        self._saved = store.sessions(place)
        self._restored: dict[int, Any] = {}
        self._change = asyncio.Lock()

    async def restore(self, client: EngineClient, tokens: Callable[[], Awaitable[list[int]]]) -> int | None:
        """Put the session that a prompt goes on from into a free slot and return the slot, ``None`` without one.

        ``tokens``, the prompt's, are asked for only if there are sessions. A session is used if most of it fits.
        """
        if not self._saved:
            return None
        prompt = await tokens()
        async with self._change:
            best = max(self._saved, key=lambda session: session.shares(prompt), default=None)
            if best is None or best.shares(prompt) < max(_LEAST_TOKENS, len(best.tokens) // 2):
                return None
            slot = await self._free_slot(client)
            if slot is None:
                return None
            self._saved.remove(best)
            if not await self._load(client, slot["id"], best):
                return None
            self._restored[slot["id"]] = slot.get("id_task")
            return int(slot["id"])

    async def _load(self, client: EngineClient, slot: int, session: Session) -> bool:
        try:
            answer = await client.post(f"/slots/{slot}?action=restore", {"filename": session.path.name})
        except (EngineError, EngineRequestError, RunnerCrashedError) as error:
            self._store.remove(session.path)  # it must not do so twice
            if isinstance(error, RunnerCrashedError):
                raise
            _log.warning("a saved session could not be restored: %s", error)
            return False
        _log.info("restored %s tokens", answer.get("n_restored"))
        self._store.used(session)
        return True

    async def _free_slot(self, client: EngineClient) -> dict[str, Any] | None:
        """Return a slot that no request uses or has just restored: an empty one, else the one unused for longest."""
        slots: list[dict[str, Any]] = await client.get("/slots")
        free = [slot for slot in slots if not (slot["is_processing"] or self._waits(slot))]
        return min(free, key=lambda slot: slot.get("id_task", -1), default=None)

    def _waits(self, slot: Mapping[str, Any]) -> bool:
        """Return whether a slot still holds what was restored for a request that has not begun."""
        return slot["id"] in self._restored and self._restored[slot["id"]] == slot.get("id_task")

    async def save(self, client: EngineClient) -> None:
        """Save the slots that hold something. Does what it can in a bounded time; nothing depends on it."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):  # one that hangs must not hold up others for long
                slots = await client.get("/slots")
            async with asyncio.timeout(_SAVE_SECONDS):
                for slot in slots:
                    if slot.get("n_prompt_tokens", 0) >= _LEAST_TOKENS:
                        await self._save(client, slot)
        except (TimeoutError, OSError, RunnerCrashedError, EngineError, EngineRequestError) as error:
            _log.warning("sessions could not be saved: %s", str(error) or "it took too long")

    async def _save(self, client: EngineClient, slot: Mapping[str, Any]) -> None:
        unfinished = self._store.unfinished(self.place)
        try:
            answer = await client.post(f"/slots/{slot['id']}?action=save", {"filename": unfinished.name})
            if answer["n_saved"] >= _LEAST_TOKENS:
                await asyncio.to_thread(self._store.keep, unfinished, answer["n_saved"])
        finally:
            self._store.remove(unfinished)
