"""Packages that few requests need, and that are loaded when something of them is first used.

    if TYPE_CHECKING:
        import aiohttp
    else:
        aiohttp = lazy("aiohttp")

A module that does so has ``from __future__ import annotations``: else its annotations would be such a use.
"""

import asyncio
import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from puna.garbage import unlooked

_FEW_OBJECTS = 30_000
"""To look through so many takes some 10 ms."""


class _Lazy(ModuleType):
    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def lazy(name: str) -> ModuleType:
    """Return what stands for the package ``name`` until it is there, and gives what it gives."""
    return _Lazy(name)


async def loaded(*names: str) -> None:
    """Load modules in a thread, where they are not loaded: the event loop would stand still meanwhile."""
    for name in names:
        if not _is_loaded(name):
            await asyncio.to_thread(load, name)


def load(name: str) -> None:
    """Load a module in this thread, if need be, as one that the collector of garbage does not look at.

    What modules are made of stays as long as the process. To look through that of NumPy and aiohttp took 20 to 40 ms
    each time, in which no thread gets on. But where large requests are at work, to look for what is garbage by now, and
    would stay as well, takes longer: 200 ms.
    """
    if _is_loaded(name):
        return
    is_small = len(gc.get_objects()) < _FEW_OBJECTS
    if is_small:
        gc.collect()
    with unlooked():
        import_module(name)
        if is_small:
            gc.freeze()


def _is_loaded(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)
