"""Blocking work off the event loop, in a way that a cancelled task cannot pull the file from under."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Concatenate, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run ``function`` in a thread. When cancelled, wait until it is done before the cancellation goes on."""
    return await settled(asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs)))


async def settled(work: "asyncio.Future[_T]") -> _T:
    """Return what comes of ``work``. When cancelled, wait until it is done before the cancellation goes on."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # retrieved, so that it is not reported as lost
        raise


async def taken_in_thread(take: Callable[[], _T], give_back: Callable[[_T], object]) -> _T:
    """Return what ``take``, called in a thread, has opened or locked.

    Where nobody is left to have it, since the task was cancelled meanwhile, it is given back: a lock that it holds
    would stay for ever.
    """
    work = asyncio.ensure_future(asyncio.to_thread(take))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        work.add_done_callback(functools.partial(_give, give_back))  # it may be cancelled again while it waits
        await asyncio.wait([work])
        raise


def _give(give_back: Callable[[_T], object], work: "asyncio.Future[_T]") -> None:
    if not work.cancelled() and work.exception() is None:
        give_back(work.result())


async def in_stoppable_thread(
    executor: Executor | None,
    function: Callable[Concatenate[threading.Event, _P], _T],
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _T:
    """Run long work in a thread of ``executor``. Its first argument is an event that is set when it is cancelled."""
    stop = threading.Event()
    call = functools.partial(function, stop, *args, **kwargs)
    work = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(executor, call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        raise


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of ``work``; when one fails, cancel the others and raise its error."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
