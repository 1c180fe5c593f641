"""The one place where what fails on the way to an answer is caught and answered."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.api.dialect import error_response


class Faults:
    """ASGI middleware that answers what raises further in, middleware included, in the dialect of the path.

    Once the response has begun there is no status left to change: a stream sees to its own end, and what is raised
    all the same breaks the connection off.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if begun:
                raise
            await error_response(scope, error)(scope, receive, send)
