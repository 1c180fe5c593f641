"""Traces by OpenTelemetry: a span for each request, and under it those of what it did with a model.

The names are those of the semantic conventions for HTTP servers and for generative AI. What is sent, where and how
much of it, the standard variables say (``OTEL_*``). Nothing of the library is loaded where traces are off. The spans of
a generation are made when it is over, of times that are known anyway: a token costs nothing more.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna import __version__
from puna.api.http.request_id import REQUEST_ID
from puna.api.watching.span_content import answer_content, prompt_content, wants_content
from puna.api.watching.watchers import TURNS, watch
from puna.errors import PunaError
from puna.inference.answer import Collector
from puna.inference.embed import EmbedRequest
from puna.inference.events import Event, Finished
from puna.inference.options import Options
from puna.inference.requests import Conversation, GenerationRequest
from puna.inference.watching import Asked
from puna.telemetry.record import DONE, GONE, Record

_EXPORTERS = "opentelemetry_traces_exporter"
"""The group of entry points by which the library itself finds exporters."""
_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_PROVIDER = "puna"
_SERVER_FAULT = 500
_OPTIONS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "num_predict": "gen_ai.request.max_tokens",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "stop": "gen_ai.request.stop_sequences",
}
"""What of the options has an attribute of its own in the conventions."""
_log = logging.getLogger(__name__)


class TracesError(PunaError):
    """Traces cannot be sent as the variables of the environment say."""


class Tracing:
    """The traces of one server."""

    def __init__(self) -> None:
        self._provider = TracerProvider(resource=Resource.create(_resource()))
        for exporter in _exporters():
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer(_PROVIDER, __version__)
        self.with_content = wants_content(os.environ)

    def close(self) -> None:
        """Send what is left. It may take as long as the library waits for whoever receives it."""
        self._provider.shutdown()


class Traced:
    """ASGI middleware that makes a span of each request, under that of its caller (``traceparent``).

    ``tracing`` gives the traces of the server, which are there from its start to its end.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        caller = propagate.extract(dict(Headers(scope=scope)))
        if scope["type"] == "websocket":  # a connection may last for hours: each turn over it is one of its own
            scope[TURNS] = lambda: SpanWatcher(self._tracing, caller)
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        told = {"http.request.method": method, "url.path": path}
        span = self._tracing.tracer.start_span(method, caller, SpanKind.SERVER, told)
        watcher = SpanWatcher(self._tracing, trace.set_span_in_context(span, caller))
        watch(scope, watcher)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _answered(span, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if route := _route(scope):
                span.set_attribute("http.route", route)
                span.update_name(f"{method} {route}")
            span.set_attribute("puna.request.id", scope[REQUEST_ID])
            span.end()


class SpanWatcher:
    """Makes the spans of what one request did with a model, under ``context``."""

    wants_prompt = False

    def __init__(self, tracing: Tracing, context: Any) -> None:
        self._tracing = tracing
        self._context = context
        self._asked: Asked | None = None
        self._finished: list[Finished] = []
        self._said = Collector()
        self._record: Record | None = None
        self._ended = 0

    def takes(self, options: Options) -> Options:
        """See ``Watcher``."""
        return options

    def asks(self, asked: Asked) -> None:
        """See ``Watcher``."""
        self._asked = asked

    def says(self, events: Sequence[Event]) -> None:
        """See ``Watcher``."""
        if self._tracing.with_content:
            self._said.add(events)
        if isinstance(events[-1], Finished):
            self._finished.append(events[-1])

    def ends(self, record: Record) -> None:
        """See ``Watcher``."""
        self._record, self._ended = record, time.time_ns()

    def over(self) -> None:
        """See ``Watcher``: the spans are made now that the last events of an answer have gone by."""
        if self._record is not None:
            self._make(self._record, self._ended)

    def _make(self, record: Record, now: int) -> None:
        began = now - record.duration
        request = self._asked.request if self._asked else None
        name = f"{_operation(request)} {record.model}"
        span = self._tracing.tracer.start_span(
            name, self._context, SpanKind.INTERNAL, self._attributes(record, request), start_time=began
        )
        if record.outcome != DONE:
            span.set_attribute("error.type", record.error or record.outcome)
            span.set_status(Status(StatusCode.UNSET if record.outcome == GONE else StatusCode.ERROR))
        inside = trace.set_span_in_context(span, self._context)
        for part, (start, end) in _parts(record).items():
            child = self._tracing.tracer.start_span(part, inside, start_time=began + start)
            child.end(began + end)
        span.end(now)

    def _attributes(self, record: Record, request: Any) -> dict[str, Any]:
        found: dict[str, Any] = {
            "gen_ai.operation.name": _operation(request),
            "gen_ai.provider.name": _PROVIDER,
            "gen_ai.request.model": getattr(request, "name", "") or record.model,
            "gen_ai.response.model": record.model,
            "gen_ai.response.id": record.id,
            "gen_ai.usage.input_tokens": record.prompt,
            "gen_ai.usage.output_tokens": record.generated,
            "gen_ai.usage.cache_read.input_tokens": record.cached,
            "puna.dialect": record.dialect,
            "puna.class": "batch" if record.batch else "interactive",
            "puna.outcome": record.outcome,
            "puna.cut_tokens": record.cut,
        }
        if record.key:
            found["enduser.id"] = record.key
        if record.first:
            found["gen_ai.server.time_to_first_token"] = record.first / 1e9
        if self._asked:
            found |= _of_options(self._asked.options) | {"puna.engine": self._asked.engine}
            found["puna.context"] = self._asked.context
        if self._finished:
            in_order = sorted(self._finished, key=lambda finished: finished.choice)
            found["gen_ai.response.finish_reasons"] = [finished.reason for finished in in_order]
        if isinstance(request, GenerationRequest):
            found["gen_ai.output.type"] = "json" if request.has_format else "text"
            if request.choices > 1:
                found["gen_ai.request.choice.count"] = request.choices
        if self._tracing.with_content and isinstance(request, GenerationRequest):
            found |= prompt_content(request) | answer_content(self._said, self._finished)
        return found


def _route(scope: Scope) -> str:
    """Return the path of the route that took a request, with the names of its parameters; "" where none did."""
    path: str = scope["path"] if "endpoint" in scope else ""
    route = scope.get("route")
    if not isinstance(route, Route):
        return path
    own = route.path_format  # without the prefix of a router that it is in, or with it: versions of FastAPI differ
    return path.removesuffix(own.format(**scope["path_params"])) + own


def _answered(span: trace.Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= _SERVER_FAULT:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))


def _operation(request: Any) -> str:
    if isinstance(request, EmbedRequest):
        return "embeddings"
    if isinstance(request, GenerationRequest):
        return "chat" if isinstance(request.input, Conversation) else "text_completion"
    return "generate_content" if request is None else "rank"


def _of_options(options: Mapping[str, Any]) -> dict[str, Any]:
    found = {attribute: options[name] for name, attribute in _OPTIONS.items() if options.get(name) not in (None, ())}
    return {name: value for name, value in found.items() if isinstance(value, tuple) or value >= 0 or "penalty" in name}


def _parts(record: Record) -> dict[str, tuple[int, int]]:
    """Return when each part of a request began and ended, in nanoseconds from its beginning; what there was not is out.

    A load is the end of the time in the queue.
    """
    parts = {}
    ready = record.ready or record.duration
    if queue := ready - record.load:
        parts["queue"] = (0, queue)
    if record.load:
        parts["load"] = (ready - record.load, ready)
    if record.ready:
        parts["prompt"] = (ready, record.first or record.duration)
    if record.first:
        parts["generation"] = (record.first, record.duration)
    return parts


def _resource() -> dict[str, str]:
    """Return what is told of the server; ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` win."""
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {"service.version": __version__} | ({} if named else {"service.name": _PROVIDER})


def _exporters() -> list[SpanExporter]:
    """Return what ``OTEL_TRACES_EXPORTER`` names: OTLP over HTTP where it says nothing. Raises ``TracesError``."""
    names = [name.strip() for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(",")]
    return [_exporter(name) for name in names if name and name != "none"]


def _exporter(name: str) -> SpanExporter:
    if name == "otlp":
        asked = os.environ.get(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL) or os.environ.get(OTEL_EXPORTER_OTLP_PROTOCOL)
        name = _PROTOCOLS.get(asked or "http/protobuf", asked or "")
    for point in entry_points(group=_EXPORTERS, name=name):
        exporter: SpanExporter = point.load()()
        return exporter
    raise TracesError(f"no exporter of traces is installed for {name!r} (OTEL_TRACES_EXPORTER)")
