"""Several answers to one request, as one stream: each piece says which choice it belongs to."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from puna.inference.events import Event, Started
from puna.inference.requests import GenerationRequest

_AHEAD = 64
"""Batches of events that may wait for whoever reads them."""


def one_of(request: GenerationRequest, choice: int) -> GenerationRequest:
    """Return the request for one of several choices; a seed that is given makes each another one."""
    sampling = request.options.sampling
    seed = sampling.get("seed", -1)
    if choice and seed >= 0:
        options = replace(request.options, sampling={**sampling, "seed": (seed + choice) % (1 << 32)})
        request = replace(request, options=options)
    return replace(request, choices=1)


async def several(
    count: int, one: Callable[[int], AsyncGenerator[list[Event], None]]
) -> AsyncGenerator[list[Event], None]:
    """Yield the events of ``count`` answers as they come; ``one`` makes the events of a choice.

    The others begin when the first one's model is in memory. What one fails at is an error for all, and closing the
    iterator ends all.
    """
    said: asyncio.Queue[list[Event] | BaseException | None] = asyncio.Queue(_AHEAD)

    async def run(choice: int) -> None:
        try:
            async with aclosing(one(choice)) as events:
                async for batch in events:
                    if not (choice and isinstance(batch[0], Started)):  # an answer has one beginning for all choices
                        await said.put([_of(choice, event) for event in batch])
        except Exception as error:  # noqa: BLE001 - whoever reads the answers gets it
            await said.put(error)
        else:
            await said.put(None)

    tasks = [asyncio.create_task(run(0))]
    left = count
    try:
        while left:
            item = await said.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                left -= 1
                continue
            if len(tasks) < count:  # before, each would queue by itself for a model that is not there
                tasks += [asyncio.create_task(run(choice)) for choice in range(1, count)]
            yield item
    finally:
        for task in tasks:
            task.cancel()
        # Each has a runner's slot, which is free only when its own end has been waited for.
        await asyncio.gather(*tasks, return_exceptions=True)


def _of(choice: int, event: Event) -> Event:
    if not choice or isinstance(event, Started):
        return event
    return event._replace(choice=choice) if isinstance(event, tuple) else replace(event, choice=choice)
