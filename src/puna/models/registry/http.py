"""HTTP as registries need it: challenges answered, redirects followed without secrets, failures told apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from yarl import URL

from puna import __version__
from puna.config.values import Credentials
from puna.lazy import lazy, loaded
from puna.models.registry.auth import Authenticator, Challenge, parse_challenges
from puna.models.registry.errors import AccessDeniedError, RegistryError, TransientError
from puna.models.registry.options import MIB, TransferOptions
from puna.models.registry.policy import AccessPolicy, host_of
from puna.models.registry.target import Target

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazy("aiohttp")

_T = TypeVar("_T")

USER_AGENT = f"ollama/0.33.0 (compatible; puna/{__version__})"
"""Hugging Face serves models as manifests only to what calls itself ollama."""

_MOST_REDIRECTS = 10
_MOST_ERROR_BYTES = 4096
_MOST_TOKEN_BYTES = MIB
_MOST_AUTHORIZATIONS = 256
_REDIRECTS = {301, 302, 303, 307, 308}
_CLOSED = "Connection closed."
"""What aiohttp says, as a ``RuntimeError``, to who reads on when the connection has gone after a malformed chunk."""
_PASSING = {408, 425, 429, 500, 502, 503, 504}

Body = Callable[[], Any]
"""Makes a request's body anew for each try: bytes or an async iterable of them."""


class _Access(NamedTuple):
    """What an authorization is good for: to do what, where, and on whose behalf."""

    base: str
    repository: str
    credentials: Credentials | None
    push: bool


class RegistryHttp:
    """Connections to registries. Those for guarded targets are kept apart, so that none is reused unchecked."""

    def __init__(self, policy: AccessPolicy, authenticator: Authenticator, options: TransferOptions) -> None:
        self._policy = policy
        self._authenticator = authenticator
        self._options = options
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._tls: ssl.SSLContext | None = None
        self._authorizations: dict[_Access, str] = {}
        """What answers challenges, as long as it does; the oldest goes when there are too many."""
        self._authorizing: WeakValueDictionary[_Access, asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        target: Target,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        push: bool = False,
        follow: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield the answer, whatever its status.

        Raises ``TransientError`` when the connection fails, here or while the body is read.
        """
        await loaded("aiohttp", "puna.net.guard")
        with _network_errors(target):
            response = await self._send(method, url, target, dict(headers or {}), body, push=push, follow=follow)
            try:
                yield response
            finally:
                response.release()

    async def _send(
        self,
        method: str,
        url: URL,
        target: Target,
        headers: dict[str, str],
        body: Body | None,
        *,
        push: bool,
        follow: bool,
    ) -> aiohttp.ClientResponse:
        access = _Access(str(target.base), target.repository, target.credentials, push)
        answered = False
        for _ in range(_MOST_REDIRECTS):
            at_home = url.origin() == target.origin
            authorization = self._authorizations.get(access) if at_home else None
            response = await self._once(method, url, target, headers, body, authorization)
            if response.status == 401 and at_home and not answered:
                answered = True
                challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
                response.release()
                await self._authorize(access, authorization, target, challenges)
                continue
            location = response.headers.get("Location")
            if not follow or response.status not in _REDIRECTS or not location:
                return response
            response.release()
            url = _follow(url, location)
        raise RegistryError(f"registry {host_of(target.base)} redirects in circles")

    async def _once(
        self,
        method: str,
        url: URL,
        target: Target,
        headers: Mapping[str, str],
        body: Body | None,
        authorization: str | None,
    ) -> aiohttp.ClientResponse:
        from puna.net.guard import Resolver, check_url, proxy_of  # which is made of aiohttp's classes

        if target.guarded:
            await check_url(url, self._policy, Resolver())
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        if authorization:
            sent["Authorization"] = authorization
        data = body() if body else None
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)  # it reads all authorities there are
        session = self._session(target.guarded, self._tls)
        return await session.request(method, url, headers=sent, data=data, allow_redirects=False, proxy=proxy_of(url))

    def _session(self, guarded: bool, tls: ssl.SSLContext) -> aiohttp.ClientSession:
        session = self._sessions.get(guarded)
        if session is None:
            from puna.net.guard import GuardedResolver, Resolver

            resolver = GuardedResolver(self._policy) if guarded else Resolver()
            # The default context reads SSL_CERT_FILE and SSL_CERT_DIR, where a private CA is named.
            connector = aiohttp.TCPConnector(resolver=resolver, limit=64, ssl=tls)
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=self._options.connect_timeout, sock_read=self._options.stall_timeout
            )
            session = self._sessions[guarded] = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=MIB,
            )
        return session

    async def _authorize(
        self, access: _Access, refused: str | None, target: Target, challenges: list[Challenge]
    ) -> None:
        async with self._authorizing.setdefault(access, asyncio.Lock()):
            if self._authorizations.get(access) not in (None, refused):
                return  # another request has just been given a new token
            self._authorizations.pop(access, None)

            async def send(url: URL, authorization: str | None) -> tuple[int, bytes]:
                response = await self._once("GET", url, target, {}, None, authorization)
                async with response:
                    return response.status, await read_limited(response, _MOST_TOKEN_BYTES)

            self._authorizations[access] = await self._authenticator.answer(
                target.origin, challenges, target.credentials, send
            )
            if len(self._authorizations) > _MOST_AUTHORIZATIONS:
                del self._authorizations[next(iter(self._authorizations))]


def _follow(url: URL, location: str) -> URL:
    try:
        following = url.join(URL(location, encoded=True))
        if following.scheme not in ("http", "https") or not following.host:
            raise ValueError(following.scheme)
    except ValueError as error:
        raise RegistryError(f"{host_of(url)} redirects to an invalid address") from error
    if url.scheme == "https" and following.scheme == "http":
        raise RegistryError(f"{host_of(url)} redirects from https to http")
    return following


@contextlib.contextmanager
def _network_errors(target: Target) -> Iterator[None]:
    where = host_of(target.base)
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise RegistryError(f"{where}: {error}; SSL_CERT_FILE can name a private authority") from error
    except aiohttp.InvalidURL as error:
        raise RegistryError(f"{where} redirects to an invalid address") from error
    except TimeoutError as error:
        raise TransientError(f"{where}: nothing came for too long") from error
    except aiohttp.ClientConnectorSSLError as error:
        raise RegistryError(f"{where} does not speak https; --insecure (insecure: true) allows plain http") from error
    except aiohttp.ClientConnectorError as error:
        raise TransientError(f"cannot connect to {where}: {error.strerror or error.os_error}") from error
    except (aiohttp.ClientError, ConnectionError, ssl.SSLError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != _CLOSED:
            raise
        raise TransientError(f"{where}: {error or type(error).__name__}") from error


async def read_limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body; raise ``RegistryError`` if it is longer than ``limit`` bytes."""
    blocks: list[bytes] = []
    size = 0
    async for block in response.content.iter_any():
        size += len(block)
        if size > limit:
            response.close()
            raise RegistryError(f"{host_of(response.url)} sends more than {limit} bytes where few are expected")
        blocks.append(block)
    return b"".join(blocks)


async def check(response: aiohttp.ClientResponse, *expected: int) -> None:
    """Raise the error that fits unless the answer has one of the ``expected`` statuses."""
    status = response.status
    if status in expected:
        return
    detail = _describe(await response.content.read(_MOST_ERROR_BYTES))
    message = f"{status}: {detail}" if detail else f"{status}: {response.reason}"
    if status in _PASSING:
        raise TransientError(message, _retry_after(response))
    raise (AccessDeniedError if status in (401, 403) else RegistryError)(message)


def _describe(body: bytes) -> str:
    """Return the message of an error body: a registry's, Ollama's, or the beginning of any other text."""
    text = body.decode(errors="replace").strip()
    try:
        parsed = json.loads(text)
        if isinstance(parsed.get("error"), str):
            return str(parsed["error"])
        return "; ".join(str(entry.get("message") or entry.get("code")) for entry in parsed["errors"]) or text[:300]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "" if text.startswith("<") else text[:300]


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    value = response.headers.get("Retry-After", "")
    return min(float(value), 60.0) if value.isascii() and value.isdigit() else None


async def retry(operation: Callable[[], Awaitable[_T]], options: TransferOptions, attempts: int) -> _T:
    """Return what ``operation`` returns, trying again after a ``TransientError``."""
    failures = 0
    while True:
        try:
            return await operation()
        except TransientError as error:
            failures += 1
            if failures >= attempts:
                raise
            await asyncio.sleep(max(options.delay(failures), error.retry_after or 0))
