"""The list of models, and the paths of the dialect."""

import json

import pytest
from tests.openai.asking import refused, user
from tests.server import Server
from websockets.exceptions import InvalidStatus

from openai import OpenAI

REQUIRED = {
    **dict.fromkeys(("slug", "display_name", "shell_type", "visibility", "base_instructions"), str),
    **dict.fromkeys(("supported_in_api", "supports_reasoning_summaries", "support_verbosity"), bool),
    "supports_parallel_tool_calls": bool,
    "priority": int,
    "truncation_policy": dict,
    **dict.fromkeys(("supported_reasoning_levels", "experimental_supported_tools"), list),
}
"""What Codex's ``ModelInfo`` must have, and its types."""


def test_list(client: OpenAI, server: Server) -> None:
    found = {model.id: model for model in client.models.list()}
    names = {model["name"] for model in server.get("/api/tags").json()["models"]}
    assert names <= set(found)
    with_adapters = set(found) - names  # a model and one of its adapters
    assert {f"{name.rpartition(':')[0]}:latest" for name in with_adapters} <= names
    cria = found["cria:latest"]
    assert (cria.object, cria.owned_by) == ("model", "library")
    assert cria.created > 1_700_000_000
    assert cria.model_extra
    assert cria.model_extra["context_length"] == 8192
    assert {"completion", "tools", "thinking"} <= set(cria.model_extra["capabilities"])


def test_what_codex_reads(server: Server) -> None:
    server.ask("/api/create", {"model": "short", "from": "cria", "parameters": {"num_ctx": 1024}, "stream": False})
    told = server.get("/v1/models?client_version=0.171.0").json()
    models = {model["slug"]: model for model in told["models"]}
    assert set(models) == {model["id"] for model in told["data"]}
    cria = models["cria:latest"]
    assert {name: type(cria[name]) for name in REQUIRED} == REQUIRED
    assert (cria["context_window"], models["short:latest"]["context_window"]) == (2048, 1024)
    assert cria["default_reasoning_level"] in [level["effort"] for level in cria["supported_reasoning_levels"]]
    assert (cria["visibility"], cria["input_modalities"]) == ("list", ["text"])
    assert "models" not in server.get("/v1/models").json()
    server.request("DELETE", "/api/delete", {"model": "short"})


@pytest.mark.parametrize("name", ["cria", "cria:latest", "me/my-model:v1", "hf.co/me/my-model:v1"])
def test_one(client: OpenAI, server: Server, name: str) -> None:
    if "/" in name:
        assert server.post("/api/copy", {"source": "cria", "destination": name}).status_code == 200
    model = client.models.retrieve(name)
    assert model.id == name
    assert model.model_extra
    assert model.model_extra["context_length"] == 8192
    assert model.owned_by == ("me" if "/" in name else "library")
    if "/" in name:
        server.request("DELETE", "/api/delete", {"model": name})


def test_unknown(client: OpenAI, server: Server) -> None:
    with refused("model", "model 'nope' not found", 404):
        client.models.retrieve("nope")
    assert server.get("/v1/models/me/nope:v1").json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("prefix", ["/openai/v1", ""])
def test_other_places(server: Server, prefix: str) -> None:
    chat = {"model": "cria", "messages": user("Hi."), "max_tokens": 1}
    assert server.ask(f"{prefix}/chat/completions", chat)["object"] == "chat.completion"
    assert server.ask(f"{prefix}/completions", {"model": "cria", "prompt": "x", "max_tokens": 1})["choices"]
    assert server.ask(f"{prefix}/embeddings", {"model": "cria", "input": "x"})["data"]
    assert server.get(f"{prefix}/models").json()["object"] == "list"
    assert server.get(f"{prefix}/models/cria").json()["id"] == "cria"
    told = server.post(f"{prefix}/chat/completions", {"model": "nope", "messages": user("Hi.")}).json()
    assert told["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/nope", 404),
        ("GET", "/openai/v1/nope", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/images/generations", 404),
    ],
)
def test_what_is_not_there(server: Server, method: str, path: str, status: int) -> None:
    response = server.request(method, path, {} if method == "POST" else None)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_a_route_that_is_not_there_is_named(client: OpenAI) -> None:
    with refused(None, "there is no POST /v1/images/generations here", 404):
        client.images.generate(prompt="x", model="cria")
    with pytest.raises(InvalidStatus) as refusal, client.realtime.connect(model="cria"):
        pass
    body = json.loads(refusal.value.response.body or b"")
    assert body["error"]["message"] == "not found: there is no GET /v1/realtime here"


def test_moderations_are_refused(client: OpenAI) -> None:
    with refused(None, "moderations are not offered", 404):
        client.moderations.create(input="x", model="cria")


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"model":', b'{"model": 5}'])
def test_bodies_that_mean_nothing(server: Server, body: bytes) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
        response = server.request("POST", path, body)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_slash_behind_the_list(server: Server) -> None:
    assert server.get("/v1/models/").json() == server.get("/v1/models").json()
