"""Who may call: allowed hosts, allowed origins, credentials. Every route is behind it, without a list of routes."""

import base64
import binascii
import fnmatch
import hmac
import ipaddress
import re
import socket

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from puna.settings import Credentials, Settings

_LOCAL_DOMAINS = ("localhost", "local", "internal")
_DEFAULT_ORIGINS = (
    *(
        f"{scheme}://{host}{port}"
        for scheme in ("http", "https")
        for host in ("localhost", "127.0.0.1", "0.0.0.0", "[[]::1]")
        for port in ("", ":*")
    ),
    "app://*",
    "file://*",
    "tauri://*",
    "vscode-webview://*",
    "vscode-file://*",
)
"""Origins on the user's own machine, as in Ollama (``envconfig.AllowedOrigins``)."""


def origin_pattern(settings: Settings) -> str:
    """Return a regular expression that matches the origins whose pages may call the API."""
    patterns = (*settings.origins, *_DEFAULT_ORIGINS)
    return "|".join(fnmatch.translate(pattern.rstrip("/")) for pattern in patterns)


class Guard:
    """ASGI middleware that turns away requests for foreign hosts, and from foreign origins, with 403.

    The host is checked on a loopback address only: there a foreign ``Host`` means that a web page has pointed its own
    name at this machine to get around the browser (DNS rebinding). Elsewhere the server cannot know its names.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._check_host = settings.address.is_loopback
        self._origins = re.compile(origin_pattern(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin", "")
            if self._check_host and not is_local_host(host):
                await _refuse(403, f"requests for host {host!r} are not allowed")(scope, receive, send)
                return
            same = origin in {f"http://{host}", f"https://{host}"}
            if origin and not same and not self._origins.match(origin):
                await _refuse(403, f"requests from origin {origin!r} are not allowed")(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BasicAuth:
    """ASGI middleware that asks every request for the credentials (RFC 7617), compared in constant time."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self._app = app
        self._expected = f"{credentials.user}:{credentials.password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._allowed(Headers(scope=scope).get("authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="Puna", charset="UTF-8"'}
            await _refuse(401, "unauthorized", challenge)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _allowed(self, header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self._expected)


def is_local_host(header: str) -> bool:
    """Return whether a ``Host`` header names this machine or its private network."""
    host = header.rpartition(":")[0] if re.search(r":\d*$", header) and not header.endswith("]") else header
    name = host.strip("[]").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == socket.gethostname().lower() or name.rpartition(".")[2] in _LOCAL_DOMAINS
    return address.is_loopback or address.is_private or address.is_unspecified


def _refuse(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps({"error": message}), status, headers, "application/json; charset=utf-8")
