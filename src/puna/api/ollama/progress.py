"""Long work in a thread, its progress as NDJSON or as one last object."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from puna.api.http.responses import json_response, ndjson_response, until_gone
from puna.models.create.progress import CreateCancelledError

_log = logging.getLogger(__name__)
Report = Callable[[Mapping[str, Any]], None]
Work = Callable[[Report, Callable[[], bool]], None]
"""Work for a thread: it gets a function to report with, and one that says whether to stop."""
Batches = AsyncGenerator[list[dict[str, Any]], None]


async def batches_response(request: Request, batches: Batches, *, stream: bool) -> Response:
    """Return what ``batches`` yields: every object as a line, or the last one alone.

    An error before the first object has a status of its own; a later one is the last line. A client that goes away
    closes the iterator.
    """
    if stream:
        first = await until_gone(request, anext(batches))
        return ndjson_response(request, [first], batches, lambda batch: batch)
    last = await until_gone(request, _last(batches))
    return json_response(last)


async def _last(batches: Batches) -> dict[str, Any]:
    last: dict[str, Any] = {}
    async with contextlib.aclosing(batches):
        async for batch in batches:
            last = batch[-1]
    return last


async def run_in_thread(work: Work) -> Batches:
    """Run ``work`` in a thread and yield what it reports. Once the iterator is closed, ``work`` is told to stop."""
    loop = asyncio.get_running_loop()
    closed = threading.Event()
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def report(item: Mapping[str, Any]) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, dict(item))

    task = asyncio.create_task(asyncio.to_thread(work, report, closed.is_set))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (item := await queue.get()) is not None:
            yield [item]
        await task
    finally:
        closed.set()
        if not task.done():
            task.add_done_callback(_log_failure)


def _log_failure(task: "asyncio.Task[None]") -> None:
    """Take note of how work ended that nobody waits for; that it stopped because of that is no news."""
    error = None if task.cancelled() else task.exception()
    if error and not isinstance(error, CreateCancelledError):
        _log.warning("work for a client that is gone failed: %s", error)
