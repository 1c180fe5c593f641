"""Which pages may call from a browser, and what the browser is told of it (CORS)."""

import fnmatch
import re

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from puna.settings import Settings

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

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_OLLAMAS_HEADERS = (
    *("Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta"),
    *("X-Stainless-Arch", "X-Stainless-Async", "X-Stainless-Custom-Poll-Interval", "X-Stainless-Helper-Method"),
    *("X-Stainless-Lang", "X-Stainless-OS", "X-Stainless-Package-Version", "X-Stainless-Poll-Helper"),
    *("X-Stainless-Retry-Count", "X-Stainless-Runtime", "X-Stainless-Runtime-Version", "X-Stainless-Timeout"),
)
"""What pages may send, as in Ollama (``server.GenerateRoutes``)."""
_MORE_HEADERS = (
    *("X-Request-Id", "X-Priority", "X-Api-Key", "X-Session-Id", "Traceparent", "Tracestate"),
    *("Anthropic-Version", "Anthropic-Beta", "Anthropic-Dangerous-Direct-Browser-Access", "X-Stainless-Helper"),
)
"""Puna's own, those of traces (W3C), and those of Anthropic's client."""
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_TOLD = ("X-Request-Id", "Request-Id", "Puna-Ignored", "Retry-After", "RateLimit", "RateLimit-Policy")
"""Headers of answers that a page may read."""
_MAX_AGE = 12 * 60 * 60
"""Seconds for which a browser may remember the answer to a preflight request, as in Ollama."""


def origin_pattern(settings: Settings) -> str:
    """Return a regular expression that matches the origins whose pages may call the API."""
    patterns = (*settings.origins, *_DEFAULT_ORIGINS)
    return "|".join(fnmatch.translate(pattern.rstrip("/")) for pattern in patterns)


class Cors(CORSMiddleware):
    """ASGI middleware that tells browsers that a page may read the answer, errors included.

    It answers a preflight request of an origin that is allowed, with 204 as Ollama does; such a request carries no
    credentials. One of another origin goes on, to be refused by the gate. Whose page may send a key may send any other
    header as well: libraries add some of their own, for traces and retries, and each release has more of them.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origin_regex=origin_pattern(settings),
            allow_methods=_METHODS,
            allow_headers=(*_OLLAMAS_HEADERS, *_MORE_HEADERS),
            expose_headers=_TOLD,
            max_age=_MAX_AGE,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, or see to the headers of the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if scope["method"] == "OPTIONS" and origin and self.is_allowed_origin(origin):
            told = {**self.preflight_headers, "Access-Control-Allow-Origin": origin}
            known = told["Access-Control-Allow-Headers"]
            told["Access-Control-Allow-Headers"] = ", ".join([known, *_more(headers, known)])
            await Response(status_code=204, headers=told)(scope, receive, send)
            return
        await self.simple_response(scope, receive, send, request_headers=headers)


def _more(headers: Headers, known: str) -> list[str]:
    """Return the headers that a page asks to send beside those that are known."""
    names = {name.lower() for name in known.split(", ")}
    asked = [name.strip() for name in headers.get("access-control-request-headers", "").split(",")]
    return [name for name in dict.fromkeys(asked) if _NAME.fullmatch(name) and name.lower() not in names]
