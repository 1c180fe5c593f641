"""The gate: every route lies behind it, without a list of routes."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from puna.api.access.hosts import is_local_host
from puna.api.access.identity import IDENTITY, Identity, identify
from puna.api.access.keys import BasicAuth, Keys
from puna.api.access.origins import origin_pattern
from puna.errors import PunaError
from puna.settings import Settings

_POLICY_VIOLATION = 1008
"""Why a socket is closed (RFC 6455)."""


class ForbiddenError(PunaError):
    """The request names a foreign host, or comes from a page that may not call."""

    status = 403


class UnauthorizedError(PunaError):
    """The request presents no key, or a wrong one."""

    status = 401

    def __init__(self, challenge: str) -> None:
        super().__init__("unauthorized")
        self._challenge = challenge

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": self._challenge}


class Gate:
    """ASGI middleware that lets in who may call, with an ``Identity`` in the scope, and raises for everybody else.

    The host is checked on a loopback address only: there a foreign ``Host`` means that a web page has pointed its own
    name at this machine to get around the browser (DNS rebinding). Elsewhere the server cannot know its names.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._check_host = settings.address.is_loopback
        self._origins = re.compile(origin_pattern(settings))
        self._trusted = settings.trusted_proxies
        self._keys: Keys | None = BasicAuth(settings.basic_auth) if settings.basic_auth else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[IDENTITY] = self._let_in(scope)
        elif scope["type"] == "websocket":
            try:
                scope[IDENTITY] = self._let_in(scope)
            except PunaError as error:
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": str(error)[:100]})
                return
        elif scope["type"] != "lifespan":
            raise ForbiddenError(f"nothing is known of a connection of type {scope['type']!r}")
        await self._app(scope, receive, send)

    def _let_in(self, scope: Scope) -> Identity:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if self._check_host and not is_local_host(host):
            raise ForbiddenError(f"requests for host {host!r} are not allowed")
        same = origin in {f"http://{host}", f"https://{host}"}
        if origin and not same and not self._origins.match(origin):
            raise ForbiddenError(f"requests from origin {origin!r} are not allowed")
        identity = identify(scope, self._trusted)
        if self._keys is None:
            return identity
        owner = self._keys.owner(headers)
        if owner is None:
            raise UnauthorizedError(self._keys.challenge)
        return Identity(identity.address, identity.remote, owner)
