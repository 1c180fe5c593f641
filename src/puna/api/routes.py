"""All routes, in parts that are loaded when a path of theirs is first asked for.

Most servers speak one dialect. To make the routes of all of them would be a third of the start, and several megabytes.
"""

import importlib
from collections.abc import Mapping

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from puna.lazy import loaded

_OWN: Mapping[str, tuple[str, ...]] = {
    "ollama.generation": ("/api/generate", "/api/chat"),
    "ollama.embedding": ("/api/embed", "/api/embeddings"),
    "ollama.models": ("/api/tags", "/api/ps", "/api/show", "/api/copy", "/api/delete", "/api/blobs"),
    "ollama.create": ("/api/create",),
    "ollama.transfers": ("/api/pull", "/api/push", "/api/puna/verify", "/api/puna/repair"),
    "ollama.account": ("/api/status", "/api/me", "/api/user", "/api/signout"),
    "anthropic.messages": ("/v1/messages",),
    "anthropic.batches": ("/v1/messages/batches",),
    "puna.queue": ("/api/queue",),
    "puna.sessions": ("/api/puna/sessions",),
    "puna.keys": ("/api/puna/keys",),
    "puna.usage": ("/api/puna/usage",),
    "puna.recordings": ("/api/puna/recordings",),
    "puna.model_settings": ("/api/puna/models",),
    "puna.metrics": ("/metrics",),
    "puna.systemone": ("/v1/systemone",),
    "puna.rerank": ("/v2/rerank", "/rerank", "/api/rerank", "/v1/rerank"),
    "puna.tokens": (
        *("/api/tokenize", "/v1/tokenize", "/tokenize", "/api/detokenize", "/v1/detokenize", "/detokenize"),
        *("/apply-template", "/api/apply_template"),
    ),
    "puna.health": ("/v1/health", "/health", "/ready"),
    "puna.machine": ("/api/puna/machine", "/api/puna/requests"),
    "puna.engine": ("/api/puna/engine",),
    "puna.modelfile": ("/api/puna/modelfile",),
}
"""The modules under ``puna.api`` whose ``router`` has the paths that begin so, each with all that lies below it."""
_OPENAI: Mapping[str, tuple[str, ...]] = {
    "openai.chat": ("/chat/completions",),
    "openai.completions": ("/completions",),
    "openai.embeddings": ("/embeddings",),
    "openai.models": ("/models",),
    "openai.audio": ("/audio",),
    "openai.moderations": ("/moderations",),
    "openai.decisions": ("/decisions",),
    "openai.responses.responses": ("/responses",),
    "openai.responses.conversations": ("/conversations",),
    "openai.responses.socket": ("/responses",),
    "openai.files": ("/files",),
    "openai.batches": ("/batches",),
}
"""Those of OpenAI's dialect, under each of these prefixes; only what is under the first is described."""
_PREFIXES = ("/v1", "/openai/v1", "")
"""Some clients have a path of their own before ``/v1``, others leave it out."""


class Part:
    """The routes of a module, which is loaded when they are asked for."""

    def __init__(self, name: str, beginnings: tuple[str, ...], prefixes: tuple[str, ...] = ("",)) -> None:
        self.module = f"puna.api.{name}"
        self.beginnings = tuple(prefix + beginning for prefix in prefixes for beginning in beginnings)
        self._prefixes = prefixes

    def router(self) -> APIRouter:
        """Return the routes."""
        own: APIRouter = importlib.import_module(self.module).router
        router = APIRouter()
        for prefix in self._prefixes:
            router.include_router(own, prefix=prefix, include_in_schema=prefix == self._prefixes[0])
        return router


class Routes:
    """The parts of an application's routes."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._described_at = app.openapi_url
        self._parts = [*(Part(*own) for own in _OWN.items()), *(Part(*theirs, _PREFIXES) for theirs in _OPENAI.items())]
        """In the order in which their routes are tried, before the pages, which are asked for seldom."""
        self._made: dict[Part, list[BaseRoute]] = {}
        self._by_beginning: dict[str, list[Part]] = {}
        for part in self._parts:
            for beginning in part.beginnings:
                self._by_beginning.setdefault(beginning, []).append(part)

    def waiting(self) -> list[Part]:
        """Return the parts that are not loaded."""
        return [part for part in self._parts if part not in self._made]

    async def ready(self, path: str) -> None:
        """Load what is asked for by ``path``, if it is not loaded; it takes tens of milliseconds, in a thread."""
        if not self._by_beginning:
            return
        for part in self.waiting() if path == self._described_at else self._of(path):
            await loaded(part.module)
            self._put(part)

    def load(self) -> None:
        """Load all of them."""
        for part in self.waiting():
            self._put(part)

    def _of(self, path: str) -> list[Part]:
        while path and path not in self._by_beginning:
            path = path.rpartition("/")[0]
        return list(self._by_beginning.get(path, ()))

    def _put(self, part: Part) -> None:
        """Put a part's routes in its place, if nobody has done so."""
        if part in self._made:
            return
        routes = self._app.router.routes
        before = len(routes)
        self._app.include_router(part.router())
        self._made[part] = made = routes[before:]
        del routes[before:]
        place = sum(len(self._made.get(other, ())) for other in self._parts[: self._parts.index(part)])
        routes[place:place] = made
        for beginning in part.beginnings:
            self._by_beginning[beginning].remove(part)
            if not self._by_beginning[beginning]:
                del self._by_beginning[beginning]


class Loading:
    """ASGI middleware that has the routes loaded which a request is for."""

    def __init__(self, app: ASGIApp, routes: Routes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            await self._routes.ready(scope["path"])
        await self._app(scope, receive, send)
