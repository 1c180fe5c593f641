"""More connections than the process may have files open for."""

from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from puna.errors import UnavailableError


class TooManyConnectionsError(UnavailableError):
    """More clients are connected than files may be open."""

    def __init__(self) -> None:
        super().__init__("server busy, please try again.  too many connections (ulimit -n)", retry_after=1)

    @property
    def headers(self) -> Mapping[str, str]:
        return {**super().headers, "Connection": "close"}


class Crowd:
    """ASGI middleware that turns requests away while ``crowded``, so that those under way can go on.

    Without it a connection too many would be closed without a word, and a runner could not be reached.
    """

    def __init__(self, app: ASGIApp, crowded: Callable[[], bool]) -> None:
        self._app = app
        self._crowded = crowded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._crowded():
            raise TooManyConnectionsError
        await self._app(scope, receive, send)
