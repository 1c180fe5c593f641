"""The gate: every route lies behind it, without a list of routes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.accounts import grant
from puna.accounts.accounts import Accounts
from puna.accounts.errors import KeyForbidsError, LimitError
from puna.accounts.keys import Key
from puna.api.access.hosts import is_local_host
from puna.api.access.identity import IDENTITY, Identity, identify
from puna.api.access.keys import BASIC, BEARER, KEYS, BasicAuth, presented
from puna.api.access.origins import origin_pattern
from puna.api.access.scopes import ScopeTable
from puna.api.dialect import REGISTRY, dialect_of, error_response
from puna.errors import PunaError
from puna.settings import Settings

_POLICY_VIOLATION = 1008
"""Why a socket is closed (RFC 6455)."""


async def _refuse_socket(error: PunaError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for a socket as any other; a server that cannot closes it, which clients are told as a 403."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await error_response(scope, error)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": str(error)[:100]})


def _challenge(headers: Headers, *, is_guarded: bool) -> str:
    """Return how to come in. At the word "Basic" a browser asks by itself, also where a page's script could."""
    if headers.get("x-requested-with", "").lower() == "xmlhttprequest":
        return BEARER
    return KEYS if is_guarded else BASIC


def _only_looks(scope: Scope, needed: str) -> bool:
    """Return whether a request counts against no limit: it only tells, and a page asks every two seconds.

    What others read of the registry is the models themselves.
    """
    return needed == grant.ANY or (scope["method"] in ("GET", "HEAD") and needed != grant.REGISTRY)


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
    name at this machine to get around the browser (DNS rebinding). Elsewhere the server cannot know its names, and no
    page reaches a unix socket.

    Where there are keys, one must be presented, whatever is asked for but what ``is_open`` says is the same for
    everybody (the page, which asks for one itself); then ``scopes`` says what it takes. Once it is let in, a request
    counts against the limits of its key until its answer has ended.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        accounts: Accounts,
        scopes: ScopeTable,
        is_open: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._is_open = is_open
        self._check_host = settings.address.is_loopback and not settings.address.path
        self._origins = re.compile(origin_pattern(settings))
        self._trusted = settings.trusted_proxies
        self._login = BasicAuth(settings.basic_auth) if settings.basic_auth else None
        self._accounts = accounts
        self._scopes = scopes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            identity = scope[IDENTITY] = self._let_in(scope)
            if identity.key is not None:
                await self._within_limits(identity.key, scope, receive, send)
                return
        elif scope["type"] == "websocket":
            try:
                identity = scope[IDENTITY] = self._let_in(scope)
                if identity.key is not None:
                    self._check(identity.key, scope)
            except PunaError as error:
                await _refuse_socket(error, scope, receive, send)
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
        is_guarded = self._accounts.is_guarded
        if self._login is None and not is_guarded:
            return identity
        if self._login is not None and self._login.is_presented(headers):
            return replace(identity, login=True)
        key = self._key(headers) if is_guarded else None
        if key is None and self._is_open(scope):
            return replace(identity, stranger=True)
        if key is None:
            # A client of a registry would take a challenge of ours for one that names a server of tokens.
            registry = dialect_of(scope.get("path", "")) is REGISTRY
            raise UnauthorizedError(BASIC if registry else _challenge(headers, is_guarded=is_guarded))
        return replace(identity, key=key)

    def _key(self, headers: Headers) -> Key | None:
        """Return the first valid key that is presented; one that is wrong beside it does no harm."""
        found = [self._accounts.find(text) for text in presented(headers)]
        return next((key for key in found if key is not None), None)

    def _check(self, key: Key, scope: Scope) -> str:
        """Return the scope that a request needs; raise ``KeyForbidsError`` if its key has not got it."""
        needed = self._scopes.of(scope)
        if not key.grant.may_call(scope["path"]):
            self._accounts.refuse(key)
            raise KeyForbidsError("this key may not use this route")
        if not key.grant.may(needed):
            self._accounts.refuse(key)
            raise KeyForbidsError(f"this key may not do this: it takes the scope {needed}")
        return needed

    async def _within_limits(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        needed = self._check(key, scope)
        if _only_looks(scope, needed) or not key.grant.is_bounded:
            await self._app(scope, receive, send)
            return
        meter = self._accounts.meter(key)
        try:
            meter.begin(key.grant)
        except LimitError:
            self._accounts.refuse(key)
            raise

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(meter.fields(key.grant))
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            meter.end()
