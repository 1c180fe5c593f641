"""The description of the API: every reference leads somewhere, every example works."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.server import Server

from puna.api.description import ANSWERS, BODIES, NEVER, PARAMETERS

NEED_A_REGISTRY = {("post", "/api/pull"), ("post", "/api/push")}
NEED_A_RECORDING = {("post", "/api/puna/recordings/{recording_id}/replay")}
NEED_A_KEY = {("post", "/api/puna/keys"), ("patch", "/api/puna/keys/{name}")}
LONG = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}

MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--x--\r\n'
)


@pytest.fixture(scope="module")
def document(shared_server: Server) -> dict[str, Any]:
    described: dict[str, Any] = shared_server.get("/openapi.json").json()
    return described


OF_A_CLUSTER = "/api/puna/cluster"
"""Routes that a single machine lacks; ``tests/cluster/test_routes.py`` has them."""


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not path.startswith(OF_A_CLUSTER):
                yield method, path, operation


def bodies_here() -> dict[tuple[str, str], Any]:
    return {entry: body for entry, body in BODIES.items() if not entry[1].startswith(OF_A_CLUSTER)}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert "#/components/schemas/MessageBody" in found
    for reference in found:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_statuses_are_those_that_there_are(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        statuses = set(operation["responses"])
        assert {"401", "403", "500", "503"} <= statuses, path
        assert ("200" in statuses) == ((method, path) not in NEVER), path
        assert "422" not in statuses
        assert ("413" in statuses) == ("requestBody" in operation), (method, path)
        assert ("429" in statuses) == (method not in ("get", "head")), (method, path)


def test_routes_have_names_of_their_own(document: dict[str, Any]) -> None:
    named = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(named)) == len(named)
    assert "post_api_chat" in named
    for _, path, operation in operations(document):
        assert operation["summary"], path
        assert "Route" not in operation["summary"], path


def test_every_answer_is_described(document: dict[str, Any]) -> None:
    described = {entry for answers in ANSWERS for entry in answers} | NEVER
    here = {entry for entry in described if not entry[1].startswith(OF_A_CLUSTER)}
    assert here == {(method, path) for method, path, _ in operations(document)}


def test_streams_are_described(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/chat"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/x-ndjson", "application/json"}


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    bodies = {
        (method, path): operation["requestBody"]["content"]["application/json"]["example"]
        for method, path, operation in operations(document)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert bodies == bodies_here()


def test_every_example_works(server: Server) -> None:
    conversation = server.ask("/v1/conversations", {})["id"]
    file = server.post("/v1/files", FORM, headers=MULTIPART).json()["id"]
    for (method, path), body in bodies_here().items():
        if (method, path) not in NEED_A_REGISTRY | NEED_A_KEY | NEED_A_RECORDING:
            path = path.replace("{conversation_id}", conversation).replace("{model}", "cria")
            sent = {**body, "input_file_id": file} if "input_file_id" in body else dict(body)
            response = server.request(method, path, sent)
            assert response.status_code == 200, (path, response.text)
            assert '"error"' not in response.text.replace('"error":null', ""), (path, response.text)


def test_every_parameter_works(document: dict[str, Any], server: Server) -> None:
    names = {
        entry["name"]: entry["example"] for _, _, one in operations(document) for entry in one.get("parameters", ())
    }
    assert names == dict(PARAMETERS)
    path = f"/api/blobs/{names['digest']}"
    assert server.post(path, b"hello").status_code == 201
    assert server.request("HEAD", path).status_code == 200
    (server.world.models / "blobs" / names["digest"].replace(":", "-")).unlink()
    with server.session.post(
        f"{server.url}/api/generate", json=LONG, headers={"X-Request-Id": names["request_id"]}, stream=True, timeout=60
    ):
        assert server.request("DELETE", f"/api/queue/{names['request_id']}").status_code == 200
