"""The nodes of a cluster as Ray has them: each an actor with a name, which others call by its handle."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from puna.cluster.fleet import NodeLostError
from puna.cluster.wire import Call
from puna.errors import PunaError

NAMESPACE, PREFIX = "puna", "node-"
_LOOK_SECONDS = 0.5


class RayFleet:
    """See ``Fleet``."""

    def __init__(self) -> None:
        self._handles: dict[str, Any] = {}
        self._looked = -_LOOK_SECONDS
        self._look: asyncio.Task[None] | None = None

    def names(self) -> Sequence[str]:
        """See ``Fleet``. What Ray knows is looked up beside the event loop, twice a second."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS and (self._look is None or self._look.done()):
            self._looked = now
            self._look = asyncio.create_task(self._refresh())
        return list(self._handles)

    async def stream(self, node: str, call: Call) -> AsyncGenerator[list[Any], None]:
        """See ``Fleet``."""
        handle = await self._handle(node)
        try:
            async for reference in handle.stream.options(num_returns="streaming").remote(call):
                yield await reference
        except RayError as error:
            raise _meant(node, error) from error

    async def ask(self, node: str, method: str, *arguments: Any) -> Any:
        """See ``Fleet``."""
        handle = await self._handle(node)
        try:
            return await getattr(handle, method).remote(*arguments)
        except RayError as error:
            raise _meant(node, error) from error

    async def _handle(self, node: str) -> Any:
        if node not in self._handles:
            await self._refresh()
        try:
            return self._handles[node]
        except KeyError:
            raise NodeLostError(f"there is no {node}") from None

    async def _refresh(self) -> None:
        self._handles = await asyncio.to_thread(_found, dict(self._handles))


def _found(known: dict[str, Any]) -> dict[str, Any]:
    """Return the handles of all nodes that Ray knows now."""
    handles = {}
    for actor in ray.util.list_named_actors(all_namespaces=True):
        name = actor["name"]
        if actor["namespace"] == NAMESPACE and name.startswith(PREFIX):
            try:
                handles[name] = known.get(name) or ray.get_actor(name, namespace=NAMESPACE)
            except ValueError:  # it has just gone
                continue
    return handles


def _meant(node: str, error: RayError) -> PunaError:
    """Return what an error of Ray's means: the node is lost, or it met an error of its own."""
    if isinstance(error, RayTaskError) and not isinstance(error, RayActorError):
        cause = error.cause
        return cause if isinstance(cause, PunaError) else PunaError(f"{node}: {cause}")
    return NodeLostError(f"{node}: {type(error).__name__}")
