"""Go templates are parsed and rendered beside the event loop: a hostile one takes all the time that it is given."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_threads = ThreadPoolExecutor(2, "template")
"""Few: they share the interpreter with the loop, which gets its turn between them."""


async def beside_the_loop(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, done in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)
