"""The middleware of a server that records: it takes down what reaches a model, with the answer."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.accounts.grant import INFER
from puna.api.access.scopes import ScopeTable
from puna.api.errors import fault_of
from puna.api.http.direct import DIRECT
from puna.api.services import Services
from puna.api.watching.taking import Taking
from puna.api.watching.watchers import watch

_log = logging.getLogger(__name__)


class Recorder:
    """ASGI middleware, the last before the routes: nobody is recorded who is not let in.

    Only what asks something of a model is: requests whose routes take the scope ``infer`` and that got so far.
    """

    def __init__(self, app: ASGIApp, scopes: ScopeTable) -> None:
        self._app = app
        self._scopes = scopes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or self._scopes.of(scope) != INFER:
            await self._app(scope, receive, send)
            return
        taking = Taking.of(scope)
        watch(scope, taking)

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                taking.hear(message.get("body", b""))
            return message

        def noting(onward: Send) -> Send:
            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    taking.status = message["status"]
                else:
                    taking.send(message.get("body", b""))
                await onward(message)

            return sent

        scope[DIRECT] = noting(scope[DIRECT])
        try:
            await self._app(scope, heard, noting(send))
        except Exception as error:
            fault = fault_of(error)
            taking.status, taking.error = taking.status or fault.status, fault.message
            raise
        finally:
            services: Services = scope["app"].state.services
            if taking.record is None:
                taking.later = services.recordings.keep
            else:
                services.recordings.keep(taking.recording())
