"""All connections, and which of them go first when there are too many."""

import logging
from typing import Protocol

from uvicorn.server import ServerState

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 1.0
"""A connection that has been silent for less is not sent away: its request may be on the way."""
_SPARE = 64
"""How many connections over the limit are still told that the server is busy."""


class _Transport(Protocol):
    def close(self) -> None: ...

    def abort(self) -> None: ...


class Connection(Protocol):
    """What is asked of a connection."""

    @property
    def transport(self) -> _Transport: ...

    @property
    def quiet_since(self) -> float: ...

    def check(self, now: float, patience: float) -> None: ...


class Connections(ServerState):
    """The connections of a server, of which at most ``limit`` are to be open.

    Those that wait for their client stand in the order in which they were last heard of. When it is crowded the one
    that has been silent for longest goes, so that clients that say nothing cannot shut out those that do.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._silent: dict[Connection, None] = {}

    @property
    def crowded(self) -> bool:
        """Return whether more connections are open than there should be."""
        return len(self.connections) > self._limit

    def welcome(self, new: Connection) -> None:
        """Take a connection; end a silent one for it when it is crowded, or itself when far too many are open."""
        if self.crowded:
            oldest = next(iter(self._silent), None)
            if oldest is not None and new.quiet_since - oldest.quiet_since > _GRACE_SECONDS:
                self.forget(oldest)
                oldest.transport.close()
            elif len(self.connections) > self._limit + _SPARE:
                new.transport.abort()
                return
        self.await_client(new)

    def await_client(self, connection: Connection) -> None:
        """Take note that a connection was heard of and waits for its client."""
        self._silent.pop(connection, None)
        self._silent[connection] = None

    def forget(self, connection: Connection) -> None:
        """Take note that a connection does not wait for its client, or is gone."""
        self._silent.pop(connection, None)

    def check(self, now: float, patience: float) -> None:
        """End the connections of clients that take longer than ``patience`` seconds; called about once a second."""
        for connection in tuple(self._silent):
            try:
                connection.check(now, patience)
            except Exception:  # noqa: BLE001 - one connection must not end the server
                _log.exception("a connection could not be looked after")
                self.forget(connection)
