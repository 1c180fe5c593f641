"""Requests made up after the API's description, and after Ollama's: no fault, and no answer that is not described.

The requests are the same in each run; ``DESCRIBED_EXAMPLES=200 pytest tests/described`` makes up more of them.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.e2e.test_openapi import FORM, MULTIPART, NEED_A_REGISTRY
from tests.server import Server, World

from puna.api.description import BODIES

schemathesis = pytest.importorskip("schemathesis")
EXAMPLES = int(os.environ.get("DESCRIBED_EXAMPLES", "6"))
OLLAMAS = Path(__file__).parent / "ollama-openapi.yaml"
"""As Ollama publishes it (MIT), version 0.33."""
LOGIN = ("tester", "secret")
MODEL = "cria"
NAMES = ("model", "name", "source")
"""Fields in which a made-up value names what is not there."""
FEW = 3
"""Tokens of an answer, and answers to one request."""
MESSAGES = [{"role": "user", "content": "Why is the sky blue?"}]
LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that knows who asks, so that every route lets them in."""
    server = Server(World({"OLLAMA_BASIC_AUTH": ":".join(LOGIN)}))
    server.session.auth = LOGIN
    yield server
    server.stop()
    log = server.log()
    assert not server.world.close()
    assert "Traceback" not in log, log[-6000:]


@pytest.fixture(scope="module")
def there(server: Server) -> dict[str, str]:
    """What is there to be asked about, by the names that the parts of paths have."""
    line = {"custom_id": "1", "method": "POST", "url": "/v1/completions", "body": {"model": MODEL, "prompt": "x"}}
    file = server.post(
        "/v1/files", FORM.replace(b"\r\n\r\nx\r\n", b"\r\n\r\n%b\r\n" % json.dumps(line).encode()), headers=MULTIPART
    )
    conversation = server.ask("/v1/conversations", {"items": MESSAGES})["id"]
    batch = {"input_file_id": file.json()["id"], "endpoint": "/v1/completions"}
    return {
        "model": MODEL,
        "name": server.ask("/api/puna/keys", {"name": "somebody"})["name"],
        "file_id": file.json()["id"],
        "batch_id": server.ask("/v1/batches", batch)["id"],
        "/v1/messages batch_id": server.ask("/v1/messages/batches", BODIES["post", "/v1/messages/batches"])["id"],
        "conversation_id": conversation,
        "item_id": server.get(f"/v1/conversations/{conversation}/items").json()["data"][0]["id"],
        "response_id": server.ask("/v1/responses", {"model": MODEL, "input": "Hello", "max_output_tokens": FEW})["id"],
    }


def aimed(case: Any, method: str, path: str, there: dict[str, str], luck: int) -> None:
    """Let a request reach further than to a name that nothing has, mostly; and keep its answers short.

    With ``luck`` its body is an example that works, with so many of the made-up fields.
    """
    if luck:
        known = {name: there.get(f"{path[:12]} {name}", there.get(name)) for name in case.path_parameters}
        case.path_parameters = case.path_parameters | {name: value for name, value in known.items() if value}
    if not isinstance(case.body, dict):
        return
    body: Json = dict(case.body)
    if luck and (method, path) in BODIES:
        example = {**BODIES[method, path], **({"input_file_id": there["file_id"]} if "input_file_id" in body else {})}
        names = sorted(name for name in body if name not in NAMES)
        body = example | {name: body[name] for name in names[:: max(len(names) // luck, 1)][:luck]}
    if isinstance(body.get("options", {}), dict):
        body["options"] = {**body.get("options", {}), "num_predict": FEW}
    body |= {name: min(body[name], FEW) for name in ("n", "best_of") if isinstance(body.get(name), int | float)}
    case.body = body


def schemas_of(document: Json, path: str, method: str, status: int) -> dict[str, Json]:
    """Return the schema of each media type that an operation may answer with."""
    answer = document["paths"][path][method]["responses"].get(str(status), {})
    return {media: told.get("schema", {}) for media, told in answer.get("content", {}).items()}


def check_stream(response: requests.Response, schema: Json, components: Json) -> None:
    """Check each object of a stream."""
    validator = jsonschema.Draft202012Validator({**schema, "components": components})
    lines = [line.removeprefix(b"data: ") for line in response.content.splitlines() if line]
    for line in lines:
        if line.startswith(b"{"):
            validator.validate(json.loads(line))
        else:
            assert line == b"[DONE]" or line.startswith((b"event: ", b":")), line


def operations(document: Json) -> list[tuple[str, str]]:
    """Return the operations that are tried, those last that take something away."""
    found = [(method, path) for path, methods in document["paths"].items() for method in methods]
    tried = [entry for entry in found if entry not in NEED_A_REGISTRY and entry[0] != "head"]
    return sorted(tried, key=lambda entry: (entry[0] == "delete", entry[1].endswith("/cancel")))


def requests_for(operation: Any) -> st.SearchStrategy[Any]:
    """Return made-up requests for one operation, half of them such as the description forbids."""
    modes = schemathesis.GenerationMode
    return st.one_of(operation.as_strategy(modes.POSITIVE), operation.as_strategy(modes.NEGATIVE))


def try_all(
    document: Json, operation: Any, server: Server, there: dict[str, str], method: str, path: str, *, errors: bool
) -> None:
    """Send requests of one operation and check what comes back; ``errors`` are described as well."""
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    components = document.get("components", {})
    always = [schemathesis.checks.not_a_server_error, *([status_code_conformance] if errors else [])]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests_for(operation), luck=st.integers(0, 3))
    def try_one(case: Any, luck: int) -> None:
        aimed(case, method, path, there, luck)
        response = case.call(base_url=server.url, session=server.session, timeout=60)
        case.validate_response(response, checks=always)
        if response.status_code != 200 and not errors:
            assert set(response.json()) == {"error"}
            return
        case.validate_response(response, checks=[content_type_conformance, response_schema_conformance])
        media = response.headers.get("content-type", [""])[0].partition(";")[0]
        if media in (LINES, EVENTS):
            check_stream(response, schemas_of(document, path, method, response.status_code)[media], components)

    try_one()


def faults(document: Json, server: Server, there: dict[str, str], *, errors: bool) -> str:
    """Return what went wrong with which operations."""
    found, schema = [], schemathesis.openapi.from_dict(document)
    for method, path in operations(document):
        try:
            try_all(document, schema[path][method], server, there, method, path, errors=errors)
        except Exception as error:  # noqa: BLE001 - of many kinds; all operations are tried, and each is told
            found.append(f"{method} {path}: {error}")
    return "\n\n".join(found)


def test_answers_are_those_described(server: Server, there: dict[str, str]) -> None:
    told = faults(server.get("/openapi.json").json(), server, there, errors=True)
    assert not told, told


def test_answers_are_those_that_ollama_describes(server: Server, there: dict[str, str]) -> None:
    document = yaml.safe_load(OLLAMAS.read_text("utf-8")) | {"security": []}
    told = faults(document, server, there, errors=False)
    assert not told, told
