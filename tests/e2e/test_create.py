"""``/api/create``: from another model, from GGUF files, with layers of its own; complete or not at all."""

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import requests
from tests.conftest import Serve
from tests.models.create.tiny import write_gguf
from tests.mutants.parts import put_together, take_apart
from tests.server import Server

from puna import builtin
from puna.models.create.build import create as put_unchecked
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.names import parse_name

SHORT = {"num_predict": 4, "seed": 1}
MESSAGES = [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "A llama."}]


@pytest.fixture
def made(server: Server) -> Iterator[str]:
    """The name of a model that is deleted after the test."""
    yield "made-by-a-test"
    server.request("DELETE", "/api/delete", {"model": "made-by-a-test"})


def create(server: Server, name: str, **body: Any) -> list[dict[str, Any]]:
    return server.stream("/api/create", {"model": name} | body)


def upload(server: Server, path: Path) -> str:
    data = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert server.post(f"/api/blobs/{digest}", data).status_code in {200, 201}
    return digest


def test_everything_that_a_model_can_have(server: Server, made: str) -> None:
    statuses = create(
        server,
        made,
        **{"from": "cria"},
        template="{{ .System }}|{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}",
        parser="passthrough",
        system="You are a llama.",
        parameters={"temperature": 0.1, "stop": ["a", "b"], "num_ctx": 512},
        messages=MESSAGES,
        license=["first licence", "second licence"],
    )
    assert statuses[-1] == {"status": "success"}
    assert statuses[-2] == {"status": "writing manifest"}
    shown = server.ask("/api/show", {"model": made})
    assert shown["system"] == "You are a llama."
    assert shown["template"].startswith("{{ .System }}|")
    assert shown["messages"] == MESSAGES
    assert shown["license"].endswith("first licence\nsecond licence")
    assert 'stop                           "a"' in shown["parameters"]
    assert "temperature                    0.1" in shown["parameters"]
    assert "repeat_penalty                 1.0" in shown["parameters"], "what the base has is kept"
    body = {"model": made, "messages": [{"role": "user", "content": "Hi"}], "_debug_render_only": True}
    rendered = server.ask("/api/chat", body)["_debug_info"]["rendered_template"]
    assert rendered.endswith("user=Who are you?;assistant=A llama.;user=Hi;")
    assert "You are a llama." in rendered


def test_messages_are_kept_whole(server: Server, made: str) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": "Lhasa"}}}
    messages = [
        {"role": "User", "content": "How is the weather?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "sunny", "tool_name": "get_weather"},
    ]
    create(server, made, **{"from": "cria"}, messages=messages)
    assert server.ask("/api/show", {"model": made})["messages"] == [messages[0] | {"role": "user"}, *messages[1:]]
    body = {"model": made, "messages": [{"role": "user", "content": "Hi"}], "_debug_render_only": True}
    rendered = server.ask("/api/chat", body)["_debug_info"]["rendered_template"]
    assert "Lhasa" in rendered
    assert "sunny" in rendered


def test_from_a_file(server: Server, made: str) -> None:
    digest = upload(server, Library(builtin.STORE).get("cria").path)
    statuses = create(server, made, files={"cria.gguf": digest}, system="Be brief.")
    assert statuses[-1] == {"status": "success"}
    shown = server.ask("/api/show", {"model": made})
    assert shown["details"]["family"] == "llama"
    assert shown["system"] == "Be brief."
    answer = server.ask("/api/generate", {"model": made, "prompt": "x", "stream": False, "options": SHORT})
    assert answer["eval_count"] >= 1


def test_modelfile_of_a_model_makes_it_again(server: Server, made: str) -> None:
    create(server, made, **{"from": "cria"}, system='Say "yes".\nOr no.', parameters={"stop": [" x"]})
    text = server.ask("/api/show", {"model": made})["modelfile"]
    assert 'SYSTEM """Say "yes".\nOr no."""' in text
    assert 'PARAMETER stop " x"' in text


def test_name_for_model_and_one_object(server: Server, made: str) -> None:
    answer = server.ask("/api/create", {"name": made, "from": "cria", "stream": False})
    assert answer == {"status": "success"}


def test_made_again_in_another_way(server: Server, made: str) -> None:
    create(server, made, **{"from": "cria"}, system="one")
    before = server.blobs()
    create(server, made, **{"from": "cria"}, system="two")
    assert server.ask("/api/show", {"model": made})["system"] == "two"
    assert len(server.blobs()) == len(before), "what only the old one used is gone"


def test_model_from_itself(server: Server, made: str) -> None:
    create(server, made, **{"from": "cria"}, system="one")
    create(server, made, **{"from": made}, parameters={"seed": 3})
    shown = server.ask("/api/show", {"model": made})
    assert shown["system"] == "one"
    assert "seed" in shown["parameters"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, 'neither "from" nor "files"'),
        ({"from": "missing"}, 404, "model 'missing:latest' not found"),
        ({"from": "../x"}, 400, "invalid model name"),
        ({"files": {"x.gguf": "sha256:" + "0" * 64}}, 404, "not found"),
        ({"files": {"x.gguf": "sha256:../../x"}}, 400, "invalid digest"),
        ({"from": "cria", "template": "{{ .Prompt"}, 400, "template"),
        ({"from": "cria", "parameters": {"temperature": "hot"}}, 400, 'option "temperature"'),
        ({"from": "cria", "parameters": {"warmth": 1}}, 400, "unknown parameter: warmth"),
        ({"from": "cria", "messages": [{"content": "x"}]}, 400, "role is required"),
        ({"from": "cria", "messages": [{"role": "wizard", "content": "x"}]}, 400, 'invalid role: "wizard"'),
        ({"from": "cria", "messages": [{"role": "user", "images": ["?"]}]}, 400, "not valid base64"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(server: Server, body: dict[str, Any], status: int, message: str) -> None:
    before = server.blobs()
    response = server.post("/api/create", {"model": "never-made", "stream": False} | body)
    assert response.status_code == status, response.text
    assert message in response.json()["error"]
    assert server.post("/api/show", {"model": "never-made"}).status_code == 404
    assert server.blobs() == before


def test_file_that_is_no_model(server: Server) -> None:
    data = b"GGUF but no more"
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    server.post(f"/api/blobs/{digest}", data)
    response = server.post("/api/create", {"model": "never-made", "files": {"x.gguf": digest}, "stream": False})
    assert response.status_code == 400
    assert "x.gguf" in response.json()["error"]
    (server.world.models / "blobs" / digest.replace(":", "-")).unlink()


def test_model_that_the_engine_refuses_says_why(server: Server, made: str, tmp_path: Path) -> None:
    path = tmp_path / "headless.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    digest = upload(server, path)
    for stream in (True, False):
        response = server.post("/api/create", {"model": made, "files": {"headless.gguf": digest}, "stream": stream})
        assert response.status_code == 400
        assert response.json()["error"] == "the engine cannot load this model: tokenizer.ggml.model is missing"
    # One that came into the store by another way, as by Ollama's own create.
    put_unchecked(Library(server.world.models), parse_name(made), Recipe(files={"x.gguf": digest}), print, bool)
    for stream in (True, False):
        response = server.post("/api/generate", {"model": made, "prompt": "x", "stream": stream})
        assert response.status_code == 400
        assert response.json()["error"] == f"model {made}:latest failed to load: tokenizer.ggml.model is missing"
    assert f"{made}:latest" not in server.loaded()


def test_file_at_which_the_engine_aborts_is_the_files_fault(server: Server, made: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "twice.gguf")[0]
    parts = take_apart(path.read_bytes())
    tokens = parts.entry("tokenizer.ggml.tokens")
    assert tokens
    tokens.value[7] = tokens.value[8]
    path.write_bytes(put_together(parts))
    reason = "two tokens of its vocabulary are the same"
    digest = upload(server, path)
    response = server.post("/api/create", {"model": made, "files": {"twice.gguf": digest}, "stream": False})
    assert (response.status_code, response.json()["error"]) == (400, f"the engine cannot load this model: {reason}")
    put_unchecked(Library(server.world.models), parse_name(made), Recipe(files={"x.gguf": digest}), print, bool)
    for _ in range(2):
        response = server.post("/api/generate", {"model": made, "prompt": "x", "stream": False})
        assert response.status_code == 400
        assert response.json()["error"] == f"model {made}:latest failed to load: {reason}"


def test_text_that_a_vocabulary_has_no_tokens_for_is_named_as_that(server: Server, made: str, tmp_path: Path) -> None:
    create(server, made, files={"tiny.gguf": upload(server, write_gguf(tmp_path / "tiny.gguf")[0])})
    response = server.post("/api/generate", {"model": made, "prompt": "É", "raw": True, "stream": False})
    assert response.status_code == 400
    assert response.json()["error"] == "the model's vocabulary has no token for some of the text"


def test_architecture_that_the_engine_does_not_know_yet_is_kept_with_a_warning(
    server: Server, made: str, tmp_path: Path
) -> None:
    path = tmp_path / "new.gguf"
    writer = gguf.GGUFWriter(path, "of-tomorrow")
    writer.add_tensor("token_embd.weight", np.zeros((8, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    lines = create(server, made, files={"new.gguf": upload(server, path)})
    assert lines[-1] == {"status": "success"}
    warnings = [line["status"] for line in lines if line["status"].startswith("warning: ")]
    assert len(warnings) == 1
    assert "this model cannot run here: the engine does not know the architecture 'of-tomorrow' (" in warnings[0]
    response = server.post("/api/generate", {"model": made, "prompt": "x"})
    assert response.status_code == 400
    assert "the engine does not know the architecture 'of-tomorrow'" in response.json()["error"]


def test_server_killed_while_it_creates_leaves_no_partial_file(serve: Serve) -> None:
    server = serve()

    def create_for_ever() -> None:
        for index in range(1000):
            body = {"model": f"made-{index}", "from": "cria", "system": f"system {index}", "stream": False}
            try:
                requests.post(f"{server.url}/api/create", data=json.dumps(body), timeout=30)
            except requests.RequestException:
                return

    thread = threading.Thread(target=create_for_ever)
    thread.start()
    while "made-1:latest" not in [model["name"] for model in server.get("/api/tags").json()["models"]]:
        pass
    server.kill()
    thread.join()
    again = serve(world=server.world)
    assert not [name for name in again.blobs() if not name.startswith("sha256-")]
    for name in again.blobs():
        data = (again.world.models / "blobs" / name).read_bytes()
        assert name == f"sha256-{hashlib.sha256(data).hexdigest()}"
    for model in again.get("/api/tags").json()["models"]:
        assert again.post("/api/show", {"model": model["name"]}).status_code == 200
    assert "left out of the list" not in again.log()
