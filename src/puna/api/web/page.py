"""``/`` and the files of the page: what a browser gets, and what it is told to keep the page from doing.

Nothing that a model writes may run or reach another host. The page makes elements and texts only and never reads HTML
("trusted-types 'none'" holds it to that), and loads pictures from nowhere but itself.
"""

import asyncio
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from puna.accounts.grant import ANY
from puna.api.access.identity import IDENTITY
from puna.api.access.keys import BEARER
from puna.api.access.scopes import needs
from puna.api.web.files import File, files

FILES_PATH = "/page"
"""Under this path lie the files, after the digest of all of them."""
_DOCUMENT = "index.html"
_BASE, _PRELOADS = b"%base%", b"<!-- preloads -->"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data: blob:",
        "media-src data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOR_EVER = "public, max-age=31536000, immutable"


def is_page(scope: Scope) -> bool:
    """Return whether a request is for the page or a file of it, which are the same for everybody and hold no secret."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    path: str = scope["path"]
    return path.startswith(f"{FILES_PATH}/") or (path == "/" and _is_browser(Request(scope)))


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


@needs(ANY)
async def root_route(request: Request) -> Response:
    """Say that the server runs, in the words that Ollama's clients look for; a browser gets the page."""
    if not _is_browser(request):
        return PlainTextResponse("Ollama is running", headers={"Vary": "Accept"})
    found = await asyncio.to_thread(files)
    if request.scope[IDENTITY].stranger:  # at "Bearer" no browser asks by itself, beside the page that will
        headers = {**_HEADERS, "Cache-Control": "no-store", "WWW-Authenticate": BEARER}
        return _response(request, await asyncio.to_thread(_document), headers, status=401)
    tag = f'"{found.digest}"'
    headers = {**_HEADERS, "Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept, Accept-Encoding"}
    if _knows(request, tag):
        return Response(status_code=304, headers=headers)
    return _response(request, await asyncio.to_thread(_document), headers)


class PageFiles:
    """ASGI application for the files, under ``/page/{digest}/``: another digest is another version's, so 404."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405)
        found = files()  # the page itself, which names the digest, has been asked for before
        digest, _, name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/").partition("/")
        file = found.by_path.get(name) if digest == found.digest and name != _DOCUMENT else None
        if file is None:
            raise HTTPException(404)
        tag = f'"{digest}"'
        headers = {**_HEADERS, "Cache-Control": _FOR_EVER, "ETag": tag, "Vary": "Accept-Encoding"}
        known = _knows(request, tag)
        response = Response(status_code=304, headers=headers) if known else _response(request, file, headers)
        await response(scope, receive, send)


def _document() -> File:
    """Return the page itself, with the paths of its files."""
    found = files()
    base = f"{FILES_PATH}/{found.digest}/"
    modules = [name for name in found.by_path if name.startswith("app/") and name.endswith(".js")]
    preloads = "\n".join(f'<link rel="modulepreload" href="{base}{name}">' for name in modules)
    text = found.by_path[_DOCUMENT].plain.replace(_BASE, base.encode()).replace(_PRELOADS, preloads.encode())
    return File("text/html; charset=utf-8", text, compressed=False)


def _response(request: Request, file: File, headers: Mapping[str, str], status: int = 200) -> Response:
    if file.compressed and _takes_gzip(request):
        return Response(file.content, status, {**headers, "Content-Encoding": "gzip"}, file.media_type)
    return Response(file.plain, status, dict(headers), file.media_type)


def _takes_gzip(request: Request) -> bool:
    codings = [coding.strip().lower() for coding in request.headers.get("accept-encoding", "").split(",")]
    return any(
        name == "gzip" and weight.replace(" ", "") not in ("q=0", "q=0.0")
        for name, _, weight in (coding.partition(";") for coding in codings)
    )


def _knows(request: Request, tag: str) -> bool:
    """Return whether the client has this version already (RFC 9110, 13.1.2)."""
    return tag in [known.strip().removeprefix("W/") for known in request.headers.get("if-none-match", "").split(",")]
