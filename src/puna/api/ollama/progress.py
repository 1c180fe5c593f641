"""Long work in a thread, its progress as NDJSON or as one last object."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from puna.api.responses import json_response, ndjson_response, until_gone

Report = Callable[[Mapping[str, Any]], None]
Batches = AsyncGenerator[list[dict[str, Any]], None]


async def progress_response(request: Request, work: Callable[[Report], None], *, stream: bool) -> Response:
    """Run ``work`` in a thread and return what it reports: every object as a line, or the last one alone.

    An error before the first report has a status of its own; a later one is the last line.
    """
    return await batches_response(request, _run(work), stream=stream)


async def batches_response(request: Request, batches: Batches, *, stream: bool) -> Response:
    """Return what ``batches`` yields: every object as a line, or the last one alone.

    An error before the first object has a status of its own; a later one is the last line. A client that goes away
    closes the iterator.
    """
    if stream:
        first = await until_gone(request, anext(batches))
        return ndjson_response(_chain(first, batches))
    last = await until_gone(request, _last(batches))
    return json_response(last)


async def _last(batches: Batches) -> dict[str, Any]:
    last: dict[str, Any] = {}
    async with contextlib.aclosing(batches):
        async for batch in batches:
            last = batch[-1]
    return last


async def _chain(first: list[dict[str, Any]], rest: Batches) -> Batches:
    async with contextlib.aclosing(rest):
        yield first
        async for batch in rest:
            yield batch


async def _run(work: Callable[[Report], None]) -> Batches:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def report(item: Mapping[str, Any]) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, dict(item))

    task = asyncio.create_task(asyncio.to_thread(work, report))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    while (item := await queue.get()) is not None:
        yield [item]
    await task
