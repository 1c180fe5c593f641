"""A draft model through the API: made with a model, kept in its copies, told where it guesses."""

import base64
import hashlib
from pathlib import Path

import pytest
from tests.conftest import Serve
from tests.e2e.projector import picture, write_projector
from tests.e2e.prompting import chat, user
from tests.scheduler.mtp import write_former_mtp, write_mtp
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


@pytest.mark.parametrize("engine", ["portable", "native"])
def test_they_guess_beside_pictures_in_ollamas_layout_too(serve: Serve, tmp_path: Path, engine: str) -> None:
    server = serve({"PUNA_ENGINE": require_native()} if engine == "native" else {})
    data = write_former_mtp(tmp_path / "mtp.gguf", Library(tmp_path).get("cria").path, eyes=True).read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    server.post(f"/api/blobs/{digest}", data)
    body = {"model": "sees", "files": {"mtp.gguf": digest}, "template": "{{ .Prompt }}", "stream": False}
    server.ask("/api/create", body)
    images = [[], *([base64.b64encode(picture(*color)).decode()] for color in ((255, 0, 0), (0, 0, 255)))]
    said = {}
    for guesses in (0, 3):
        asked = {"model": "sees", "prompt": "The llama eats.", "raw": True, "stream": False}
        options = {"temperature": 0, "num_predict": 16, "draft_num_predict": guesses}
        said[guesses] = [
            server.ask("/api/generate", asked | {"images": seen, "options": options})["response"] for seen in images
        ]
        entry = server.loaded()["sees:latest"]
        expected = {"type": "draft-mtp", "draft_num_predict": 3} if guesses else None
        assert entry.get("speculation") == expected
    assert said[0] == said[3]
    assert len(set(said[0])) == len(images)


def test_a_draft_model_guesses_beside_pictures(server: Server, tmp_path: Path) -> None:
    cria = Library(tmp_path).get("cria")
    write_projector(tmp_path / "mmproj.gguf", cria.gguf.embedding_length or 0)
    eyes = (tmp_path / "mmproj.gguf").read_bytes()
    digests = [cria.manifest.of_type(MODEL)[0].digest, f"sha256:{hashlib.sha256(eyes).hexdigest()}"]
    for digest, data in zip(digests, (cria.path.read_bytes(), eyes), strict=True):
        server.post(f"/api/blobs/{digest}", data)
    files = dict(zip(("model.gguf", "eyes.gguf"), digests, strict=True))
    body = {"model": "drawn", "files": files, "draft_files": {"draft.gguf": digests[0]}, "stream": False}
    server.ask("/api/create", body)
    message = user("What is this?")[0] | {"images": [base64.b64encode(picture(255, 0, 0)).decode()]}
    guessed = chat(server, [message], "drawn", options={"temperature": 0, "num_predict": 24})
    assert server.loaded()["drawn:latest"]["speculation"]["type"] == "draft-simple"
    plain = chat(server, [message], "drawn", options={"temperature": 0, "num_predict": 24, "draft_num_predict": 0})
    assert guessed["message"] == plain["message"]
