"""What carries calls to nodes: Ray, or in tests this process."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

from puna.cluster.wire import Call
from puna.errors import UnavailableError


class NodeLostError(UnavailableError):
    """A node went away, or says nothing any more."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 2)


class Fleet(Protocol):
    """The nodes, as whatever carries calls to them reaches them. All but ``names`` raise ``NodeLostError``."""

    def names(self) -> Sequence[str]:
        """Return the nodes that there are now."""
        ...

    def stream(self, node: str, call: Call) -> AsyncGenerator[list[Any], None]:
        """Yield what ``Node.stream`` does."""
        ...

    async def ask(self, node: str, method: str, *arguments: Any) -> Any:
        """Return what a method of ``Node`` does."""
        ...
