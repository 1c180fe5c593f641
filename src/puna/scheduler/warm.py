"""Saves the slots of a runner before it ends, and restores those that a request goes on from."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from puna.engine.client import EngineClient
from puna.engine.errors import ContextExceededError, EngineError, EngineRequestError, RunnerCrashedError
from puna.engine.protocol import Route
from puna.models.registry.threads import in_thread
from puna.scheduler.beginnings import Beginnings, Head
from puna.scheduler.exchanges import Exchange, Exchanges
from puna.scheduler.sessions import LEAST_TOKENS, Session, SessionStore, shared
from puna.telemetry.counts import COUNTS

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0
_SAVE_SECONDS = 20.0
_CACHED_SECONDS = 5.0
"""How long others may wait for conversations that are in no slot any more."""
_GIVEN = 64
"""Beginnings that are remembered to be with the engine."""
_NANOSECONDS = 1_000_000
"""Of a millisecond."""
_REFUSED = (EngineError, EngineRequestError, ContextExceededError)


class WarmSlots:
    """The saved sessions that one runner may use. It reads and writes them in ``place``.

    ``bytes_per_token`` tells beforehand what would be too large to keep, ``slots`` how many the runner has; for
    ``whole``, see ``Beginnings``.
    """

    def __init__(
        self, store: SessionStore, place: Path, bytes_per_token: int, *, slots: int = 1, whole: bool = False
    ) -> None:
        self._store = store
        self._slots = slots
        self.place = place
        self._most_tokens = store.limit // max(bytes_per_token, 1)
        self._saved = store.sessions(place)
        self._beginnings = Beginnings(store.beginnings(place), whole=whole)
        self._given: list[tuple[int, ...]] = []
        """Beginnings of prompts that the engine has from here: it keeps them as long as it can."""
        self._restored: dict[int, Any] = {}
        self._change = asyncio.Lock()
        self._exchanges = Exchanges()

    def note(self, exchange: Exchange) -> None:
        """Remember what was asked and answered, to find its cache when it has left its slot."""
        self._exchanges.note(exchange)

    async def begin(self, client: EngineClient, head: Head) -> AsyncGenerator[tuple[int, int, int], None]:
        """See to it that the engine finds all that is known of a prompt; for a long one, wait until its turn has come.

        Yields how far the engine is where it reads ahead: tokens of the prompt, cached, read. A session that the prompt
        goes on from is put into a slot, and so is a beginning that it has in common with others, which is read and
        saved when it is first seen. And no conversation shall lose its cache to another that begins alike: llama.cpp
        takes the slot, or what it has in memory, that begins most alike and cuts off the rest, even if the conversation
        itself is in memory and another in a slot. Prompts that only come once are left to that.
        """
        own, rival = self._exchanges.around(head.prompt)
        if own and not own.cut:
            if rival:
                with _tolerance():
                    await _clear_slots(client, len(self._exchanges))
            if head.prompt.adds_little_to(own):
                client.pass_gate()
            return
        if not head.long:
            await self._place(client, head)
            return
        tokens = tuple(await head.prompt.tokens(client))
        with self._beginnings.coming(tokens):
            await client.take_turn()
            await self._place(client, head, tokens)
            if head.shares:
                async with aclosing(self._read_ahead(client, head, tokens)) as reading:
                    async for progress in reading:
                        yield progress

    async def _place(self, client: EngineClient, head: Head, tokens: tuple[int, ...] = ()) -> None:
        """Put what is saved of a prompt into a slot; else save a conversation that it would take the cache of."""
        async with self._change:
            if head.shares:
                await self._restore(client, head, tokens)
            own, rival = self._exchanges.around(head.prompt)
            if head.slot is None and rival:
                if own or rival.turns > 1:  # one of them has come back, so both are conversations worth a file
                    with _tolerance():
                        await self._put_aside(client, rival)
                rival.cut = True

    async def _restore(self, client: EngineClient, head: Head, tokens: tuple[int, ...]) -> None:
        """Put the session that a prompt goes on from, or a beginning that it has, into a free slot.

        A session is used if most of it fits.
        """
        saved = [*(self._beginnings.saved if head.long else ()), *self._saved]
        if not saved and not self._store.has_elsewhere(self.place):
            return
        tokens = tokens or tuple(await head.prompt.tokens(client))
        COUNTS.add("puna_session_tokens_queried", amount=len(tokens))
        known = max((shared(given, tokens) for given in self._given), default=0)
        known = max([known, *(self._usable(session, tokens) for session in saved)])
        if brought := await self._store.bring(self.place, tokens, known):
            (self._beginnings.saved if brought.is_beginning else self._saved).append(brought)
            saved.append(brought)
        if not saved:
            return
        best = max(saved, key=lambda session: self._usable(session, tokens))
        same = self._usable(best, tokens)
        slot = await self._free_slot(client) if same else None
        if slot is None:
            return
        loaded = await self._load(client, slot["id"], best)
        if best in self._saved:
            if not loaded or len(best.tokens) - same < LEAST_TOKENS:  # else it is another conversation's
                self._saved.remove(best)
            if loaded:
                self._give(best.tokens[:same])
        elif not loaded and best in self._beginnings.saved:
            self._beginnings.saved.remove(best)
        if loaded:
            self._hold(slot)
            head.slot, head.cached = int(slot["id"]), same

    def _give(self, tokens: tuple[int, ...]) -> None:
        """Note what the engine has from here, in the place of what that begins with."""
        others = [given for given in self._given if shared(given, tokens) < len(given)]
        self._given = [*others, tokens][-_GIVEN:]

    def _usable(self, session: Session, tokens: tuple[int, ...]) -> int:
        """Return how many tokens a saved state saves a prompt, 0 if it is not to be used for it."""
        if session in self._beginnings.saved:
            return self._beginnings.usable(session, tokens)
        same = session.shares(tokens)
        known = max((shared(given, tokens) for given in self._given), default=0)
        return 0 if same < max(LEAST_TOKENS, len(session.tokens) // 2, known + LEAST_TOKENS) else same

    async def _read_ahead(
        self, client: EngineClient, head: Head, tokens: tuple[int, ...]
    ) -> AsyncGenerator[tuple[int, int, int], None]:
        """Have a prompt read up to where others may part from it, and save what they have in common.

        The last tokens of it are left to the request itself, so that this takes no more steps.
        """
        known = head.cached
        for end in self._beginnings.ends(tokens, known) if self._slots > 1 else ():
            if not end:
                await self._keep(client, head)
                continue
            body = {"prompt": tokens[:end], "n_predict": 0, "cache_prompt": True, "return_progress": True}
            if head.slot is not None:
                body["id_slot"] = head.slot
            async with aclosing(client.stream(Route.COMPLETION, body | {"stream": True}, in_turn=False)) as stream:
                async for events in stream:
                    for event in events:
                        if progress := event.get("prompt_progress"):
                            if not head.read:
                                known = head.cached = progress["cache"]
                            yield len(tokens), head.cached, progress["processed"]
                        if event.get("stop"):
                            head.slot = int(event["id_slot"])
                            head.duration += int(event["timings"]["prompt_ms"] * _NANOSECONDS)
                            head.read = max(end - known, 0)
        if head.slot is not None:
            slots = await client.slots()
            self._hold(next(slot for slot in slots if slot["id"] == head.slot))

    async def _keep(self, client: EngineClient, head: Head) -> None:
        """Save what has been read of a prompt for others that begin like it."""
        if head.slot is None or head.cached + head.read > self._most_tokens:
            return
        unfinished = self._store.unfinished(self.place)
        try:
            with _tolerance():
                saved = await client.save_slot(head.slot, unfinished.name)
                kept = await asyncio.to_thread(self._store.keep_beginning, unfinished, saved)
                if kept:
                    _log.info("kept a beginning of %s tokens", saved)
                    self._beginnings.saved = _left([*self._beginnings.saved, kept])
        finally:
            await in_thread(self._store.remove, unfinished)

    async def _put_aside(self, client: EngineClient, exchange: Exchange) -> None:
        """Save what the engine has of a conversation, and leave it in a slot, for another to take its beginning.

        Nothing is done while others are answered: what they have left in slots would have to make way.
        """
        if any(slot["is_processing"] for slot in await client.slots()):
            return
        slot = await self._recall(client, exchange, self._saved)
        session = None if slot is None else await self._save(client, slot, exchange.at)
        if session:
            self._saved = _left([*self._saved, session])

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
            await in_thread(self._store.remove, session.path)  # it must not do so twice
            if isinstance(error, RunnerCrashedError):
                raise
            _log.warning("a saved session could not be restored: %s", error)
            return False
        _log.info("restored %s tokens", restored)
        COUNTS.add("puna_session_tokens_restored", amount=restored)
        await asyncio.to_thread(self._store.used, session)
        return True

    async def _free_slot(self, client: EngineClient) -> dict[str, Any] | None:
        """Return a slot that no request uses or has just restored: an empty one, else the one unused for longest."""
        slots: list[dict[str, Any]] = await client.slots()
        free = [slot for slot in slots if not (slot["is_processing"] or self._waits(slot))]
        return min(free, key=lambda slot: slot.get("id_task", -1), default=None)

    def _hold(self, slot: Mapping[str, Any]) -> None:
        """Keep a slot for the request that its content is for.

        A restore is no task: as long as the slot's last task is the same, the request has not begun.
        """
        self._restored[int(slot["id"])] = slot.get("id_task")

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
            await in_thread(self._store.remove, unfinished)


def _left(sessions: Sequence[Session]) -> list[Session]:
    """Return those whose file is there: others made room, or were continued, and their tokens need not be kept."""
    return [session for session in sessions if session.path.exists()]


@contextmanager
def _tolerance() -> Iterator[None]:
    """Let a request go on without what would have saved it time."""
    try:
        yield
    except (*_REFUSED, OSError) as error:
        _log.warning("a conversation may have to be read again: %s", error)


async def _clear_slots(client: EngineClient, conversations: int) -> None:
    """Have the engine move to its memory what idle slots hold, if there are more conversations than slots.

    One whose cache is complete there gets it back only if no slot begins like it. The engine copies what idle slots
    hold at any request, here one for nothing.
    """
    if conversations <= len(await client.slots()):
        return
    await client.complete({"prompt": [0], "n_predict": 0})
    for slot in await client.slots():
        if not slot["is_processing"]:
            await client.empty_slot(slot["id"])


async def _put_back(client: EngineClient, tokens: list[int]) -> int | None:
    """Return the slot into which the engine has put back what it still has of a prompt; ``None`` if that is little.

    The engine says how much it has before it reads the rest; breaking off then costs nobody a prompt.
    """
    body = {"prompt": tokens, "n_predict": 0, "cache_prompt": True, "stream": True, "return_progress": True}
    with _tolerance():
        async with aclosing(client.stream(Route.COMPLETION, body, in_turn=False)) as stream:
            async for events in stream:
                for event in events:
                    progress = event.get("prompt_progress")
                    if progress and progress["total"] - progress["cache"] >= LEAST_TOKENS:
                        return None
                    if event.get("stop"):
                        return int(event["id_slot"])
    return None
