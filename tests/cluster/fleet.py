"""Nodes in this process, which everything reaches pickled: a cluster without Ray, whose nodes die as a test wants."""

import asyncio
import pickle
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from puna.cluster.fleet import NodeLostError
from puna.cluster.node import Node
from puna.cluster.service import ClusterService
from puna.cluster.wire import Call
from puna.inference.events import Finished, Started, Text
from puna.inference.options import Options
from puna.inference.requests import Conversation, GenerationRequest, Message
from puna.models.library import Library
from puna.models.model import Model
from puna.scheduler.lease import Caller
from puna.settings import Settings


def crossed(value: Any) -> Any:
    """Return what comes out on the other side."""
    return pickle.loads(pickle.dumps(value))


class LocalFleet:
    """See ``Fleet``. ``dead`` nodes break all calls, ``hung`` ones leave them without an answer.

    ``slow`` ones go on with what they answer, and are asked for nothing else.
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        self.nodes: dict[str, Node] = {}
        self.dead: dict[str, asyncio.Event] = {}
        self.hung: set[str] = set()
        self.slow: set[str] = set()
        self.calls: list[tuple[str, str]] = []

    async def add(self, name: str, labels: Sequence[str] = (), **changes: Any) -> Node:
        home = self.root / name
        settings = replace(self.settings, **({"home": home, "models": home / "models"} | changes))
        node = self.nodes[name] = Node(name, "127.0.0.1", settings, frozenset(labels))
        self.dead[name] = asyncio.Event()
        await node.begin()
        return node

    async def kill(self, name: str) -> None:
        """Let a node die: nothing that it does matters any more."""
        self.dead[name].set()
        await self.nodes.pop(name).close()

    def names(self) -> Sequence[str]:
        return [name for name in self.nodes if not self.dead[name].is_set()]

    async def stream(self, node: str, call: Call) -> AsyncGenerator[list[Any], None]:
        self.calls.append((node, call.method))
        async with aclosing(self._node(node).stream(crossed(call))) as batches:
            while True:
                batch = await self._alive(node, anext(batches, None))
                if batch is None:
                    return
                yield crossed(batch)

    async def ask(self, node: str, method: str, *arguments: Any) -> Any:
        if node in self.slow:
            await self.dead[node].wait()
        if method == "call":
            self.calls.append((node, arguments[0].method))
        return crossed(await self._alive(node, getattr(self._node(node), method)(*crossed(arguments))))

    async def _alive(self, node: str, work: Any) -> Any:
        task = asyncio.ensure_future(work)
        death = asyncio.ensure_future(self.dead[node].wait())
        try:
            if node in self.hung:
                await death
            await asyncio.wait([task, death], return_when=asyncio.FIRST_COMPLETED)
            if self.dead[node].is_set():
                raise NodeLostError(f"{node} died")
            return task.result()
        finally:
            task.cancel()
            death.cancel()
            await asyncio.wait([task, death])  # what is closed next must not still be running

    def _node(self, name: str) -> Node:
        if name not in self.nodes:
            raise NodeLostError(f"{name} is dead")
        return self.nodes[name]


@dataclass
class Cluster:
    """An ingress over such nodes, and the library that it has."""

    fleet: LocalFleet
    service: ClusterService
    library: Library

    @property
    def cria(self) -> Model:
        return self.library.get("cria")

    def request(self, text: str = "Hello", model: Model | None = None, **options: Any) -> GenerationRequest:
        merged = Options.merge({"num_predict": 8, "num_ctx": 512, "temperature": 0} | options)
        asked = Conversation(messages=(Message(role="user", content=text),))
        return GenerationRequest(model=model or self.cria, name="cria", input=asked, options=merged, think=False)

    async def answer(self, request: GenerationRequest, caller: Caller | None = None) -> tuple[str, Finished]:
        events = [
            event
            async for batch in self.service.generate(request, caller or Caller("somebody"), None, "ollama")
            for event in batch
        ]
        assert sum(isinstance(event, Started) for event in events) == 1
        assert isinstance(events[-1], Finished)
        return "".join(event.text for event in events if isinstance(event, Text)), events[-1]

    async def nodes(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.service.nodes()) != count:
                await asyncio.sleep(0.02)

    def where(self) -> list[str]:
        return [node for node, _ in self.fleet.calls]
