"""Saves the slots of a runner before it ends, and restores those that a request goes on from."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from puna.engine.client import EngineClient
from puna.engine.errors import ContextExceededError, EngineError, EngineRequestError, RunnerCrashedError
from puna.engine.protocol import Route
from puna.scheduler.exchanges import Exchange, Exchanges
from puna.scheduler.sessions import LEAST_TOKENS, Session, SessionStore, shared
from puna.telemetry.counts import COUNTS

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0
_SAVE_SECONDS = 20.0
_CACHED_SECONDS = 5.0
"""How long others may wait for conversations that are in no slot any more."""
_REFUSED = (EngineError, EngineRequestError, ContextExceededError)


class WarmSlots:
    """The saved sessions that one runner may use. It reads and writes them in ``place``.

    ``bytes_per_token`` tells beforehand what would be too large to keep.
    """

    def __init__(self, store: SessionStore, place: Path, bytes_per_token: int) -> None:
        self._store = store
        self.place = place
        self._most_tokens = store.limit // max(bytes_per_token, 1)
        self._saved = store.sessions(place)
        self._given: list[tuple[int, ...]] = []
        """Beginnings of prompts that the engine has from here: it keeps them as long as it can."""
        self._restored: dict[int, Any] = {}
        self._change = asyncio.Lock()
        self._exchanges = Exchanges()

    def note(self, exchange: Exchange) -> None:
        """Remember what was asked and answered, to find its cache when it has left its slot."""
        self._exchanges.note(exchange)

    async def ready(self, client: EngineClient, prompt: Exchange) -> int | None:
        """See to it that the engine finds all that is known of a prompt; return the slot if it must be a certain one.

        A session that the prompt goes on from is put into a slot. And no conversation shall lose its cache to another
        that begins alike, as with the same system prompt: llama.cpp takes the slot, or what it has in memory, that
        begins most alike and cuts off the rest, even if the conversation itself is in memory and another in a slot.
        Prompts that only come once are left to that.
        """
        own, rival = self._exchanges.around(prompt)
        if own and not own.cut:
            if rival:  # its own cache is complete in memory, where the engine looks only when no slot begins like it
                await _clear_slots(client)
            return None
        async with self._change:
            slot = await self._restore(client, prompt)
            if slot is None and rival:
                if own or rival.turns > 1:  # one of them has come back, so both are conversations worth a file
                    with _tolerance():
                        await self._put_aside(client, rival)
                rival.cut = True
        return slot

    async def _restore(self, client: EngineClient, prompt: Exchange) -> int | None:
        """Put the session that a prompt goes on from into a free slot and return the slot, ``None`` without one.

        A session is used if most of it fits.
        """
        if not self._saved:
            return None
        tokens = await prompt.tokens(client)
        COUNTS.add("puna_session_tokens_queried", amount=len(tokens))
        best = max(self._saved, key=lambda session: session.shares(tokens))
        same = best.shares(tokens)
        known = max((shared(given, tokens) for given in self._given), default=0)
        if same < max(LEAST_TOKENS, len(best.tokens) // 2, known + LEAST_TOKENS):
            return None
        slot = await self._free_slot(client)
        if slot is None:
            return None
        loaded = await self._load(client, slot["id"], best)
        if not loaded or len(best.tokens) - same < LEAST_TOKENS:  # else it is another conversation's
            self._saved.remove(best)
        if not loaded:
            return None
        self._given.append(best.tokens[:same])
        # A restore is no task: as long as the slot's last task is the same, the request has not begun.
        self._restored[slot["id"]] = slot.get("id_task")
        return int(slot["id"])

    async def _put_aside(self, client: EngineClient, exchange: Exchange) -> None:
        """Save what the engine has of a conversation, and leave it in a slot, for another to take its beginning.

        Nothing is done while others are answered: what they have left in slots would have to make way.
        """
        if any(slot["is_processing"] for slot in await client.slots()):
            return
        slot = await self._recall(client, exchange, self._saved)
        session = None if slot is None else await self._save(client, slot, exchange.at)
        self._saved += [session] if session else []

    async def _recall(self, client: EngineClient, exchange: Exchange, saved: list[Session]) -> int | None:
        """Return the slot into which the engine has put a conversation back; ``None`` if it has not all of it any more.

        Also if it would be too large to keep, or one of ``saved`` holds it: then there is no need.
        """
        tokens = await exchange.tokens(client)
        unsaved = len(tokens) - max((session.shares(tokens) for session in saved), default=0)
        if unsaved < LEAST_TOKENS or len(tokens) > self._most_tokens:
            return None
        return await _put_back(client, tokens)

    async def _load(self, client: EngineClient, slot: int, session: Session) -> bool:
        try:
            restored = await client.restore_slot(slot, session.path.name)
        except (*_REFUSED, RunnerCrashedError) as error:
            self._store.remove(session.path)  # it must not do so twice
            if isinstance(error, RunnerCrashedError):
                raise
            _log.warning("a saved session could not be restored: %s", error)
            return False
        _log.info("restored %s tokens", restored)
        COUNTS.add("puna_session_tokens_restored", amount=restored)
        self._store.used(session)
        return True

    async def _free_slot(self, client: EngineClient) -> dict[str, Any] | None:
        """Return a slot that no request uses or has just restored: an empty one, else the one unused for longest."""
        slots: list[dict[str, Any]] = await client.slots()
        free = [slot for slot in slots if not (slot["is_processing"] or self._waits(slot))]
        return min(free, key=lambda slot: slot.get("id_task", -1), default=None)

    def _waits(self, slot: Mapping[str, Any]) -> bool:
        """Return whether a slot still holds what was restored for a request that has not begun."""
        return slot["id"] in self._restored and self._restored[slot["id"]] == slot.get("id_task")

    async def save(self, client: EngineClient) -> None:
        """Save what slots hold, then conversations that the engine has moved from there to its cache in memory.

        Does what it can in a bounded time; nothing depends on it.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):  # one that hangs must not hold up others for long
                slots = await client.slots()
            async with asyncio.timeout(_SAVE_SECONDS):
                for slot in slots:
                    if LEAST_TOKENS <= slot.get("n_prompt_tokens", 0) <= self._most_tokens:
                        await self._save(client, slot["id"])
                        await client.empty_slot(slot["id"])
            async with asyncio.timeout(_CACHED_SECONDS):
                await self._save_cached(client)
        except (TimeoutError, OSError, RunnerCrashedError, *_REFUSED) as error:
            _log.warning("sessions could not be saved: %s", str(error) or "it took too long")

    async def _save_cached(self, client: EngineClient) -> None:
        saved = await asyncio.to_thread(self._store.sessions, self.place)
        for exchange in self._exchanges.newest_first():
            slot = await self._recall(client, exchange, saved)
            if slot is None:
                continue
            session = await self._save(client, slot, exchange.at)
            await client.empty_slot(slot)
            if session is None:  # the limit of all sessions, and what is left is older
                return
            saved.append(session)

    async def _save(self, client: EngineClient, slot: int, used_at: float | None = None) -> Session | None:
        """Save a slot; return ``None`` if that was not possible, or there is no room for it."""
        unfinished = self._store.unfinished(self.place)
        try:
            saved = await client.save_slot(slot, unfinished.name)
            if saved < LEAST_TOKENS:
                return None
            return await asyncio.to_thread(self._store.keep, unfinished, saved, used_at)
        finally:
            self._store.remove(unfinished)


@contextmanager
def _tolerance() -> Iterator[None]:
    """Let a request go on without what would have saved it time."""
    try:
        yield
    except (*_REFUSED, OSError) as error:
        _log.warning("a conversation may have to be read again: %s", error)


async def _clear_slots(client: EngineClient) -> None:
    """Have the engine move to its memory what idle slots hold, as it does at any request, here one for nothing."""
    with _tolerance():
        await client.complete({"prompt": [0], "n_predict": 0})


async def _put_back(client: EngineClient, tokens: list[int]) -> int | None:
    """Return the slot into which the engine has put back what it still has of a prompt; ``None`` if that is little.

    The engine says how much it has before it reads the rest; breaking off then costs nobody a prompt.
    """
    body = {"prompt": tokens, "n_predict": 0, "cache_prompt": True, "stream": True, "return_progress": True}
    with _tolerance():
        async with aclosing(client.stream(Route.COMPLETION, body)) as stream:
            async for events in stream:
                for event in events:
                    progress = event.get("prompt_progress")
                    if progress and progress["total"] - progress["cache"] >= LEAST_TOKENS:
                        return None
                    if event.get("stop"):
                        return int(event["id_slot"])
    return None
