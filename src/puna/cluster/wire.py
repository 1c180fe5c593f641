"""How requests, events and errors cross between machines: pickled, with models by name and digest.

Only members of the cluster, who share its token, ever send or read this: Ray itself speaks pickle between them.
"""

import asyncio
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from puna.config.sections import Section
from puna.inference.watching import AskedElsewhere
from puna.models.library import Library
from puna.models.manifests import Manifest
from puna.models.model import Model
from puna.names import ModelName

_FACTS = ("config", "template", "system", "licenses", "parameters", "messages", "senses", "ggufs")
"""What a model's card tells beside its manifest."""
_MODEL = "model"
Find = Callable[[ModelName, str], Model]
"""Returns the model of a name and a digest; raises ``ModelNotFoundError``."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a method of ``Service`` for one model, ``body`` being its arguments.

    ``section`` is what the ingress's settings say of the model. ``peers`` are the addresses of nodes from which, or
    together with which, a node without the model may take it; ``saved`` are the places of its saved conversations on
    other nodes, each with an address. ``watched`` asks for what a runner was asked beside the answer.
    """

    id: str
    method: str
    model: ModelName
    manifest: Manifest
    section: Section
    peers: tuple[str, ...] = field(repr=False)
    ingress: str
    body: bytes
    saved: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    watched: bool = False

    @property
    def digest(self) -> str:
        """Return which model it is for."""
        return self.manifest.digest


@dataclass(frozen=True, slots=True)
class Watched:
    """The answer of a call that is watched, with what its runner was asked."""

    answer: Any
    asked: tuple[AskedElsewhere, ...]


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return (_MODEL, obj.name, obj.digest) if isinstance(obj, Model) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, find: Find) -> None:
        super().__init__(file)
        self._find = find

    def persistent_load(self, pid: Any) -> Any:
        return self._find(pid[1], pid[2])


def pack(value: Any) -> bytes:
    """Return the bytes of a value, in which models are names."""
    file = io.BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(value)
    return file.getvalue()


def unpack(data: bytes, find: Find) -> Any:
    """Return the value of ``pack``; ``find`` knows the models of this machine."""
    return _Unpickler(io.BytesIO(data), find).load()


@dataclass(frozen=True, slots=True)
class Card:
    """What a machine without a model's files is told of it, by one that has them: enough for every list and check."""

    name: ModelName
    manifest: Manifest
    modified_at: datetime
    facts: dict[str, Any]

    @classmethod
    def of(cls, model: Model) -> "Card":
        """Return the card of a model. Reads its files: for a thread. Raises ``PunaError`` or ``OSError``."""
        return cls(model.name, model.manifest, model.modified_at, {name: getattr(model, name) for name in _FACTS})

    def model(self, library: Library) -> Model:
        """Return the model, as if it were one of a library that lacks its files."""
        model = library.make(self.name, self.manifest, self.modified_at)
        vars(model).update(self.facts)
        return model


class Mailbox(Generic[T]):
    """What arrives for one reader, who takes all that has come at once."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._error: BaseException | None = None
        self._closed = False
        self._arrived = asyncio.Event()

    def put(self, items: list[T]) -> None:
        """Add items."""
        self._items += items
        self._arrived.set()

    def close(self, error: BaseException | None = None) -> None:
        """Let the reader come to an end after what is there, by ``error`` if there is one; the first end counts."""
        if not self._closed:
            self._error, self._closed = error, True
        self._arrived.set()

    async def take(self) -> list[T]:
        """Return all items that have come since, at least one; none at the end. Raises the error of the end."""
        await self._arrived.wait()
        items, self._items = self._items, []
        if items:
            if not self._closed:
                self._arrived.clear()
            return items
        if self._error:
            raise self._error
        return []
