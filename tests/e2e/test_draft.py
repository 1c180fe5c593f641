"""A draft model through the API: made with a model, kept in its copies, told where it guesses."""

import hashlib
from pathlib import Path

import pytest
from tests.conftest import Serve
from tests.e2e.prompting import chat, user
from tests.scheduler.mtp import write_mtp
from tests.server import Server
from tests.system import require_native

from puna.models.library import Library
from puna.models.manifests import MODEL


def test_a_draft_model_is_used_and_told(server: Server) -> None:
    digest = Library(server.world.models).get("cria").manifest.of_type(MODEL)[0].digest
    server.ask(
        "/api/create", {"model": "drafted", "from": "cria", "draft_files": {"draft.gguf": digest}, "stream": False}
    )
    plain = chat(server, user("Name three colors."))["message"]
    assert chat(server, user("Name three colors."), "drafted")["message"] == plain
    assert server.loaded()["drafted:latest"]["speculation"] == {"type": "draft-simple", "draft_num_predict": 4}
    assert "speculation" not in server.loaded()["cria:latest"]
    assert server.post("/api/copy", {"source": "drafted", "destination": "drafted-two"}).status_code == 200
    shown = server.ask("/api/show", {"model": "drafted-two"})["modelfile"]
    assert f"DRAFT {server.world.models}/blobs/{digest.replace(':', '-')}" in shown
    off = chat(server, user("Name three colors."), "drafted-two", options={"draft_num_predict": 0})
    assert off["message"] == plain
    assert not [name for name, entry in server.loaded().items() if "speculation" in entry]


def test_a_number_of_guesses_out_of_range_is_named(server: Server) -> None:
    response = server.post("/api/generate", {"model": "cria", "prompt": "x", "options": {"draft_num_predict": 1000}})
    assert response.status_code == 400
    assert response.json()["error"] == 'option "draft_num_predict" must be between 0 and 256'


@pytest.mark.parametrize("engine", ["portable", "native"])
def test_a_models_own_layers_guess_on_either_engine(serve: Serve, tmp_path: Path, engine: str) -> None:
    server = serve({"PUNA_ENGINE": require_native()} if engine == "native" else {})
    data = write_mtp(tmp_path / "mtp.gguf", Library(tmp_path).get("cria").path).read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    server.post(f"/api/blobs/{digest}", data)
    server.ask("/api/create", {"model": "mtp", "files": {"mtp.gguf": digest}, "stream": False})
    asked = {"model": "mtp", "prompt": "The llama eats.", "raw": True, "stream": False}
    options = {"temperature": 0, "num_predict": 16}
    plain = server.ask("/api/generate", asked | {"options": options})["response"]
    assert "speculation" not in server.loaded()["mtp:latest"]
    guessed = server.ask("/api/generate", asked | {"options": options | {"draft_num_predict": 3}})["response"]
    assert guessed == plain
    assert server.loaded()["mtp:latest"]["speculation"] == {"type": "draft-mtp", "draft_num_predict": 3}
