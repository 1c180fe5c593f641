"""How Serve's proxy reads what clients send: as a server of one machine does, with the same bounds on size and time.

Serve has its proxy run on uvicorn's own protocol, which reads heads of any length for any time, loses the body of a
request that asks for HTTP/2 (as Java's client does), and believes clients of its machine who they say they are.
"""

import asyncio
import os
from typing import Any, cast
from weakref import WeakKeyDictionary

import uvicorn.config
from uvicorn import Config
from uvicorn.server import ServerState

from puna.api.http.connections import Connections
from puna.api.http.protocol import Protocol
from puna.settings import Settings

_MOST_CONNECTIONS = 10_000
_CHECK_SECONDS = 1.0
_states: "WeakKeyDictionary[ServerState, _Door]" = WeakKeyDictionary()


def install() -> None:
    """Let a uvicorn that is made after this in the same process read so. Serve gives no other way."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{DoorProtocol.__name__}"
    os.environ["FORWARDED_ALLOW_IPS"] = ""  # the gate of the ingress knows whom to believe


class DoorProtocol(Protocol):
    """A connection of the proxy."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if server_state not in _states:
            _states[server_state] = _Door(server_state, Settings.from_env())
        config.ws_max_size = _states[server_state].largest
        super().__init__(config, cast(Any, _states[server_state].connections), app_state, _loop)


class _Door:
    """All connections of one uvicorn, which are looked after as long as it lives. To be made on its loop."""

    def __init__(self, state: ServerState, settings: Settings) -> None:
        self.connections = Connections(_MOST_CONNECTIONS)
        self.connections.connections = state.connections  # by which uvicorn ends them
        self.connections.tasks = state.tasks
        self.connections.default_headers = [field for field in state.default_headers if field[0] != b"server"]
        self.largest = settings.max_body
        self._patience = settings.client_timeout
        self._loop = asyncio.get_running_loop()
        self._check()

    def _check(self) -> None:
        self.connections.check(self._loop.time(), self._patience)
        self._loop.call_later(_CHECK_SECONDS, self._check)
