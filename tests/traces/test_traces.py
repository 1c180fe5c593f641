"""Traces: what a receiver of OTLP over HTTP gets of requests, in each dialect and however they end."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.conftest import Serve
from tests.server import Server, World, wait_for
from websockets.sync.client import connect

MARK = "marzipan-4711"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
BODY = {"model": "cria", "messages": [{"role": "user", "content": MARK}]}
FUNCTION = {
    "name": "get_weather",
    "description": "Tell the weather of a city",
    "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
}
PARTS = ["queue", "prompt", "generation"]


class Receiver:
    """A collector: keeps what it is sent."""

    def __init__(self) -> None:
        self.exports: list[ExportTraceServiceRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
                receiver.exports.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.settings = {
            "PUNA_TRACES": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Span]:
        return [span for one in self.exports for r in one.resource_spans for s in r.scope_spans for span in s.spans]

    def of(self, request: str) -> tuple[Span, list[Span]]:
        """Return the span of a request, and those beneath it in the order of their beginning."""

        def look() -> list[Span]:
            return [span for span in self.spans if attributes(span).get("puna.request.id") == request]

        (root,) = wait_for(look, what=request)
        beneath, found = {root.span_id}, []
        for span in sorted(self.spans, key=lambda span: (span.start_time_unix_nano, -span.end_time_unix_nano)):
            if span.parent_span_id in beneath:
                beneath.add(span.span_id)
                found.append(span)
        return root, found


def value(item: AnyValue) -> Any:
    kind = item.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in item.array_value.values]
    return getattr(item, kind) if kind else None


def attributes(span: Any) -> dict[str, Any]:
    return {entry.key: value(entry.value) for entry in span.attributes}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def traced(receiver: Receiver) -> Iterator[Server]:
    world = World(receiver.settings)
    server = Server(world)
    server.ask("/api/generate", {"model": "cria", "stream": False})
    yield server
    server.stop()
    assert "Traceback" not in server.log()
    assert world.close() == []


def ask(server: Server, name: str, path: str, body: dict[str, Any], **headers: str) -> Any:
    return server.post(path, body, headers={"X-Request-Id": name, **CALLER, **headers})


def test_spans_of_a_chat(traced: Server, receiver: Receiver) -> None:
    options = {"num_predict": 4, "temperature": 0.5, "seed": 7, "stop": ["zzz"]}
    answer = ask(traced, "chat", "/api/chat", {**BODY, "options": options, "stream": False}).json()
    root, (inference, *parts) = receiver.of("chat")
    assert (root.name, root.kind) == ("POST /api/chat", Span.SPAN_KIND_SERVER)
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    said = attributes(root)
    assert (said["http.request.method"], said["http.route"]) == ("POST", "/api/chat")
    assert said["http.response.status_code"] == 200
    assert inference.name == "chat cria:latest" and inference.parent_span_id == root.span_id
    told = attributes(inference)
    wanted = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "puna",
        "gen_ai.request.model": "cria",
        "gen_ai.response.model": "cria:latest",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.seed": 7,
        "gen_ai.request.max_tokens": 4,
        "gen_ai.request.stop_sequences": ["zzz"],
        "gen_ai.usage.input_tokens": answer["prompt_eval_count"],
        "gen_ai.usage.output_tokens": answer["eval_count"],
        "gen_ai.response.finish_reasons": [answer["done_reason"]],
        "gen_ai.output.type": "text",
    }
    assert wanted.items() <= told.items()
    assert [part.name for part in parts] == PARTS
    assert all(part.parent_span_id == inference.span_id for part in parts)
    ends = [part.end_time_unix_nano for part in parts]
    assert [part.start_time_unix_nano for part in parts] == [inference.start_time_unix_nano, *ends[:-1]]
    assert abs(ends[-1] - inference.end_time_unix_nano) < 5_000_000
    assert root.start_time_unix_nano <= inference.start_time_unix_nano
    resource = attributes(receiver.exports[0].resource_spans[0].resource)
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("puna", "test")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/version", "/api/version"),
        ("/v1/models/v1", "/v1/models/{model}"),  # the value stands in the path twice
        ("/openai/v1/models/some/model", "/openai/v1/models/{model}"),
        ("/v1/responses/none/input_items", "/v1/responses/{response_id}/input_items"),
        ("/api/nothing", None),
    ],
)
def test_routes_are_told_with_the_names_of_their_parameters(
    traced: Server, receiver: Receiver, path: str, route: str | None
) -> None:
    name = path.replace("/", "-")
    traced.get(path, headers={"X-Request-Id": name})
    root, _ = receiver.of(name)
    assert attributes(root).get("http.route") == route
    assert root.name == (f"GET {route}" if route else "GET")


@pytest.mark.parametrize(
    ("path", "body", "operation"),
    [
        ("/v1/chat/completions", {**BODY, "max_tokens": 3, "stream": True, "n": 2}, "chat"),
        ("/v1/completions", {"model": "cria", "prompt": MARK, "max_tokens": 3}, "text_completion"),
        ("/v1/messages", {**BODY, "max_tokens": 3, "stream": True}, "chat"),
        ("/v1/responses", {"model": "cria", "input": MARK, "max_output_tokens": 3, "stream": True}, "chat"),
        ("/api/embed", {"model": "cria", "input": MARK}, "embeddings"),
        ("/v1/rerank", {"model": "cria", "query": MARK, "documents": ["a"]}, "rank"),
    ],
)
def test_spans_of_every_dialect(
    traced: Server, receiver: Receiver, path: str, body: dict[str, Any], operation: str
) -> None:
    name = path.replace("/", ".")
    assert ask(traced, name, path, body).status_code == 200
    root, (inference, *parts) = receiver.of(name)
    assert root.name == f"POST {path}"
    assert attributes(inference)["gen_ai.operation.name"] == operation
    assert "prompt" in [part.name for part in parts]
    assert attributes(inference)["gen_ai.usage.input_tokens"] > 0


def test_a_load_is_a_span(traced: Server, receiver: Receiver) -> None:
    traced.ask("/api/generate", {"model": "cria", "stream": False, "keep_alive": 0})
    wait_for(lambda: not traced.get("/api/ps").json()["models"])
    ask(traced, "load", "/api/chat", {**BODY, "options": {"num_predict": 2}, "stream": False})
    _, (_, *parts) = receiver.of("load")
    assert [part.name for part in parts] == ["queue", "load", "prompt", "generation"]


def test_what_fails(traced: Server, receiver: Receiver) -> None:
    assert ask(traced, "missing", "/api/chat", BODY | {"model": "nobody"}).status_code == 404
    root, beneath = receiver.of("missing")
    assert attributes(root)["http.response.status_code"] == 404 and not beneath
    long = {**BODY, "messages": [{"role": "user", "content": "x " * 3000}], "truncate": False}
    assert ask(traced, "long", "/api/chat", long).status_code == 400
    _, (inference, *_) = receiver.of("long")
    assert inference.status.code == Status.STATUS_CODE_ERROR
    assert attributes(inference)["error.type"] == "ContextExceededError"
    endless = BODY | {"options": {"num_predict": 3000, "ignore_eos": True}}
    gone = traced.post("/api/chat", endless, stream=True, headers={"X-Request-Id": "gone"})
    next(gone.iter_lines())
    gone.close()
    root, (inference, *_) = receiver.of("gone")
    assert attributes(inference)["puna.outcome"] == "gone" and not root.parent_span_id


def test_a_response_in_the_background(traced: Server, receiver: Receiver) -> None:
    ask(traced, "later", "/v1/responses", {"model": "cria", "input": MARK, "max_output_tokens": 3, "background": True})
    wait_for(lambda: receiver.of("later")[1])
    assert receiver.of("later")[1][0].name == "chat cria:latest"


def test_turns_over_a_socket(traced: Server, receiver: Receiver) -> None:
    trace = TRACE.replace("4", "5")
    headers = {"traceparent": f"00-{trace}-{PARENT}-01"}
    fields = {"type": "response.create", "model": "cria", "input": MARK, "max_output_tokens": 3, "store": False}
    with connect(traced.url.replace("http", "ws") + "/v1/responses", additional_headers=headers, proxy=None) as link:
        for _ in range(2):
            link.send(json.dumps(fields))
            while json.loads(link.recv(60))["type"] not in ("response.completed", "response.incomplete"):
                pass

    def turns() -> bool:
        return [span.name for span in receiver.spans if span.trace_id.hex() == trace].count("chat cria:latest") == 2

    wait_for(turns)


def test_nothing_that_was_said_is_sent(traced: Server, receiver: Receiver) -> None:
    ask(traced, "quiet", "/api/chat", {**BODY, "options": {"num_predict": 2}, "stream": False})
    receiver.of("quiet")
    assert MARK not in str(receiver.exports)


def test_what_was_said_where_it_is_asked_for(serve: Serve) -> None:
    receiver = Receiver()
    server = serve(
        receiver.settings
        | {
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
            "OTEL_BSP_SCHEDULE_DELAY": "60000",  # sent at the end
            "OTEL_SERVICE_NAME": "mine",
        }
    )
    body = {**BODY, "messages": [{"role": "system", "content": "Be kind"}, *BODY["messages"]]}
    answer = ask(server, "told", "/api/chat", body | {"options": {"num_predict": 4}, "stream": False}).json()
    calling = {**BODY, "tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "required"}
    assert ask(server, "calls", "/v1/chat/completions", calling).status_code == 200
    assert not receiver.exports
    server.stop()
    _, (inference, *_) = receiver.of("told")
    told = attributes(inference)
    assert json.loads(told["gen_ai.input.messages"]) == [{"role": "user", "parts": [{"type": "text", "content": MARK}]}]
    assert json.loads(told["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be kind"}]
    (said,) = json.loads(told["gen_ai.output.messages"])
    assert said["parts"] == [{"type": "text", "content": answer["message"]["content"]}]
    assert said["finish_reason"] == "length"
    _, (calls, *_) = receiver.of("calls")
    told = attributes(calls)
    assert json.loads(told["gen_ai.tool.definitions"]) == [{"type": "function", **FUNCTION}]
    (said,) = json.loads(told["gen_ai.output.messages"])
    assert (said["parts"][-1]["type"], said["finish_reason"]) == ("tool_call", "tool_call")
    assert attributes(receiver.exports[0].resource_spans[0].resource)["service.name"] == "mine"
    receiver.close()


def test_a_receiver_that_is_away_holds_nobody_up(serve: Serve) -> None:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    server = serve({"PUNA_TRACES": "1", **nowhere})
    ask(server, "alone", "/api/chat", {**BODY, "options": {"num_predict": 2}, "stream": False})
    server.faults_expected = True


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"OTEL_TRACES_EXPORTER": "pigeon"}, "pigeon"), ({"OTEL_EXPORTER_OTLP_PROTOCOL": "telex"}, "telex")],
)
def test_an_exporter_that_is_not_there(world: World, settings: dict[str, str], words: str) -> None:
    world.environment |= {"PUNA_TRACES": "1", **settings}
    done = world.run("serve", "--exit-with-stdin")
    assert done.returncode == 1 and f"no exporter of traces is installed for '{words}'" in done.stderr


def test_nothing_is_loaded_without() -> None:
    from tests.test_start import modules_after

    loaded = modules_after("import puna.settings, puna.api.app as a; a.create_app(puna.settings.Settings.from_env({}))")
    assert not [name for name in loaded if name.startswith("opentelemetry.sdk") or "watching.traces" in name]
