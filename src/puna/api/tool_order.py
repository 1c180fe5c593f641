"""The order of keys in the definitions of tools, which some clients change from call to call.

A prompt has them as they come, so that another order would be another prompt, read from its beginning.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

_MOST_BYTES = 8 << 20


class ToolOrder:
    """Remembers definitions as they were first seen; the least recently used go once they are many.

    Safe to use from threads.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def steady(self, tools: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
        """Return tools with their keys in the order in which the same definitions had them before."""
        return tuple(self._one(tool) for tool in tools)

    def _one(self, tool: Mapping[str, Any]) -> dict[str, Any]:
        said = orjson.dumps(tool)
        digest = blake2b(orjson.dumps(tool, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
        with self._lock:
            first = self._known.setdefault(digest, said)
            self._known.move_to_end(digest)
            if first is said:
                self._size += len(said)
                while self._size > _MOST_BYTES and len(self._known) > 1:
                    self._size -= len(self._known.popitem(last=False)[1])
        if first == said:
            return dict(tool)
        known: dict[str, Any] = orjson.loads(first)
        return known
