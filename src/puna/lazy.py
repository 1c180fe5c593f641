"""Packages that few requests need, and that are loaded when something of them is first used.

    if TYPE_CHECKING:
        import aiohttp
    else:
        aiohttp = lazy("aiohttp")

A module that does so has ``from __future__ import annotations``: else its annotations would be such a use.
"""

import asyncio
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


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
        module = sys.modules.get(name)
        if module is None or getattr(module.__spec__, "_initializing", False):
            await asyncio.to_thread(import_module, name)
