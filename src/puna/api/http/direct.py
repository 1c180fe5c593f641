"""The way to the client past all middleware, for what follows the start of a response."""

from starlette.types import ASGIApp, Receive, Scope, Send

DIRECT = "puna.direct"
"""The entry of a request's scope that holds the ``send`` of before any other middleware."""


class Direct:
    """ASGI middleware, the first to see a request, that keeps its ``send`` for streams.

    All others wrap ``send`` to see the start of a response, and pass on what follows. A stream has a message for each
    token, and to go through all of them is nearly a tenth of the work that a token makes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[DIRECT] = send
        try:
            await self._app(scope, receive, send)
        finally:  # what sends holds the scope: each request would wait for a look for garbage
            del scope[DIRECT]
