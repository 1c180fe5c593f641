"""Answers a registry's challenge: Basic, Bearer, and Ollama's Bearer with a signed request for the token.

Two rules keep secrets where they belong. A token goes only to the origin whose challenge it answers. A request for a
token carries credentials or a signature only if the token server belongs to the registry; otherwise a registry could
have itself given a token for another one (CVE-2025-51471).
"""

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from yarl import URL

from puna.config.values import Credentials
from puna.models.registry.credentials import CredentialStore, basic
from puna.models.registry.errors import AccessDeniedError, RegistryError
from puna.models.registry.identity import Identity
from puna.models.registry.policy import host_of

_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)\s*')
_SCHEME = re.compile(r"\s*+,?\s*+(Basic|Bearer)(?:\s+|$)", re.IGNORECASE)
_TOKEN = re.compile(r"[\x21-\x7e]+")
_EMPTY_BODY = base64.b64encode(hashlib.sha256(b"").hexdigest().encode()).decode()

_SIGNING_HOSTS = {"registry.ollama.ai", "ollama.com", "hf.co", "huggingface.co", "modelscope.cn"}
"""Registries that know Ollama's keys; others are asked for an anonymous token first."""
_TOKEN_HOSTS = {"registry.ollama.ai": {"ollama.com"}, "hf.co": {"huggingface.co"}}
"""Token servers that belong to a registry although their names do not show it."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a ``WWW-Authenticate`` header."""

    scheme: str
    realm: str
    service: str = ""
    scope: str = ""


TokenRequest = Callable[[URL, str | None], Awaitable[tuple[int, bytes]]]
"""Sends a GET, with an ``Authorization`` header or without, and returns the status and the (bounded) body."""


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Return the challenges that can be answered, in order; what cannot be understood is passed over."""
    found: list[Challenge] = []
    for header in headers:
        position = 0
        while match := _SCHEME.match(header, position):
            position, values = match.end(), {}
            while parameter := _PARAMETER.match(header, position):
                quoted, plain = parameter[2], parameter[3]
                values[parameter[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
                position = parameter.end()
            found.append(
                Challenge(match[1].lower(), values.get("realm", ""), values.get("service", ""), values.get("scope", ""))
            )
    return found


class Authenticator:
    """Finds the ``Authorization`` header that answers a challenge."""

    def __init__(self, credentials: CredentialStore, identity: Identity) -> None:
        self._credentials = credentials
        self._identity = identity

    async def answer(
        self, origin: URL, challenges: list[Challenge], given: Credentials | None, send: TokenRequest
    ) -> str:
        """Return the header's value for requests to ``origin``; raise ``AccessDeniedError`` or ``RegistryError``.

        ``given`` are credentials that came with the request; they win over stored ones.
        """
        credentials = given or self._credentials.find(host_of(origin))
        bearer = next((challenge for challenge in challenges if challenge.scheme == "bearer"), None)
        if bearer is not None:
            return "Bearer " + await self._token(origin, bearer, credentials, send)
        if not challenges or credentials is None:
            raise AccessDeniedError(f"registry {host_of(origin)} wants credentials")
        return basic(credentials)

    async def _token(
        self, origin: URL, challenge: Challenge, credentials: Credentials | None, send: TokenRequest
    ) -> str:
        realm = _check_realm(origin, challenge.realm)
        last = (401, b"")
        for authorization in self._attempts(origin, realm, challenge, credentials):
            url, header = authorization()
            last = await send(url, header)
            if last[0] not in (401, 403):
                break
        status, body = last
        if status != 200:
            kind = AccessDeniedError if status in (401, 403) else RegistryError
            detail = body[:300].decode(errors="replace").strip()
            raise kind(f"the token server {host_of(realm)} answered {status}: {detail}".rstrip(": "))
        return _read_token(body, realm)

    def _attempts(
        self, origin: URL, realm: URL, challenge: Challenge, credentials: Credentials | None
    ) -> Iterable[Callable[[], tuple[URL, str | None]]]:
        """Yield the ways of asking, the most promising first."""
        query = [("service", challenge.service)] if challenge.service else []
        query += [("scope", scope) for scope in challenge.scope.split()]
        plain = _with_query(realm, query)
        trusted = _belongs(realm.host or "", origin.host or "")
        if trusted and credentials is not None:
            yield lambda: (plain, basic(credentials))
            return
        signs = trusted and origin.host in _SIGNING_HOSTS
        if not signs:
            yield lambda: (plain, None)
        if trusted:
            yield lambda: self._signed(realm, query)
        if signs:
            yield lambda: (plain, None)

    def _signed(self, realm: URL, query: list[tuple[str, str]]) -> tuple[URL, str]:
        """Return the request that ``server/auth.go`` of Ollama makes: the signature covers method, URL and body."""
        nonce = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
        url = _with_query(realm, sorted([*query, ("ts", str(int(time.time()))), ("nonce", nonce)]))
        return url, self._identity.sign(f"GET,{url},{_EMPTY_BODY}".encode())


def _check_realm(origin: URL, text: str) -> URL:
    try:
        realm = URL(text)
    except ValueError as error:
        raise RegistryError(f"registry {host_of(origin)} names an invalid token server") from error
    if realm.scheme not in ("http", "https") or not realm.host:
        raise RegistryError(f"registry {host_of(origin)} names an invalid token server")
    if realm.scheme == "http" and origin.scheme != "http":
        raise RegistryError(f"registry {host_of(origin)} names a token server without encryption: {realm.host}")
    return realm


def _belongs(realm_host: str, registry_host: str) -> bool:
    """Return whether a token server is the registry's own: its host, a known one, or one under its parent domain."""
    if realm_host == registry_host or realm_host in _TOKEN_HOSTS.get(registry_host, ()):
        return True
    parent = registry_host.partition(".")[2]
    return "." in parent and not parent[-1:].isdigit() and (realm_host == parent or realm_host.endswith("." + parent))


def _with_query(realm: URL, query: list[tuple[str, str]]) -> URL:
    added = urlencode(query)
    joined = "&".join(part for part in (realm.raw_query_string, added) if part)
    return URL(str(realm.with_query(None).with_fragment(None)) + (f"?{joined}" if joined else ""), encoded=True)


def _read_token(body: bytes, realm: URL) -> str:
    try:
        answer = json.loads(body)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryError(f"the token server {host_of(realm)} did not answer with a token")
    return token
