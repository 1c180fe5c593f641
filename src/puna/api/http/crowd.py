"""More connections than the process may have files open for."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from puna.api.errors import error_response
from puna.errors import UnavailableError


class Crowd:
    """ASGI middleware that turns requests away while ``crowded``, so that those under way can go on.

    Without it a connection too many would be closed without a word, and a runner could not be reached.
    """

    def __init__(self, app: ASGIApp, crowded: Callable[[], bool]) -> None:
        self._app = app
        self._crowded = crowded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._crowded():
            await self._app(scope, receive, send)
            return
        busy = UnavailableError("server busy, please try again.  too many connections (ulimit -n)", retry_after=1)
        response = error_response(busy)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)
