"""One response from its request to its last event, whoever listens: a stream, a socket, or nobody."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from puna.api.errors import fault_of
from puna.api.openai.responses.reply import Events, Reply
from puna.errors import PunaError, UnavailableError
from puna.inference.events import Event

_log = logging.getLogger(__name__)
Save = Callable[[Mapping[str, Any]], Awaitable[None]]


class Made:
    """Makes a response of the events of an answer. ``save`` keeps it, once it is over and before that is told."""

    def __init__(
        self, reply: Reply, events: Callable[[], AsyncGenerator[list[Event], None]], save: Save | None
    ) -> None:
        self.reply = reply
        self._events = events
        self._save = save

    @property
    def response(self) -> Mapping[str, Any]:
        """Return the object of the response as it is now."""
        return self.reply.response

    async def answer(self) -> AsyncGenerator[list[Event], None]:
        """Yield the events of the answer, which have gone into the reply when they come here.

        Raises what goes wrong. Once the response has begun it has failed then, and the reply says so as well.
        """
        begun = False
        try:
            async with aclosing(self._events()) as batches:
                async for batch in batches:
                    self.reply.take(batch)
                    begun = True
                    if self.reply.is_over:
                        await self.keep()
                    yield batch
        except Exception as error:
            if begun and not self.reply.is_over:
                self.reply.fail(fault_of(error))
                await self.keep()
            raise

    async def keep(self) -> None:
        """Keep the response. The client has its answer also if that fails."""
        if self._save:
            try:
                await self._save(self.response)
            except PunaError as error:
                _log.warning("response %s is not stored: %s", self.response["id"], error)

    async def make(self) -> AsyncGenerator[Events, None]:
        """Yield the response's own events up to the last, which says so if something goes wrong."""
        if events := self.reply.drain():
            yield events
        try:
            async with aclosing(self.answer()) as batches:
                async for _ in batches:
                    if events := self.reply.drain():
                        yield events
        except Exception as error:  # noqa: BLE001 - any error is an event to whoever listens
            if not self.reply.is_over:
                self.reply.fail(fault_of(error))
            yield self.reply.drain()

    def cancel(self) -> Events:
        """End the response where it is, and return the events that say so."""
        self.reply.cancel()
        return self.reply.drain()

    def end_with_server(self) -> Events:
        """End the response since the server ends, and return the events that say so."""
        self.reply.fail(fault_of(UnavailableError("the server ended before the response was complete")))
        return self.reply.drain()
