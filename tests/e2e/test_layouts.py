"""Models in Ollama's layouts run where they lie: in the text and in what they see, on both engines, leaving nothing."""

import base64
import contextlib
import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.e2e.gemma import write_gemma
from tests.e2e.projector import picture
from tests.server import Server, wait_for
from tests.system import require_native
from tests.twins.files import create

from puna.models.gguf import read_gguf
from puna.models.layouts.translation import Translation, language_model, projector
from puna.models.library import Library

RED, BLUE = (base64.b64encode(picture(*color)).decode() for color in ((255, 0, 0), (0, 0, 255)))
OPTIONS = {"temperature": 0, "num_predict": 8, "seed": 1}


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of one model, in Ollama's layout and in llama.cpp's."""
    folder = tmp_path_factory.mktemp("gemma")
    old = write_gemma(folder / "old.gguf", Library(folder).get("cria").path)
    gguf = read_gguf(old)
    files = {"old": old, "text": folder / "text.gguf", "eyes": folder / "eyes.gguf"}
    for name, made in (("text", language_model(gguf)), ("eyes", projector(gguf))):
        assert isinstance(made, Translation)
        with files[name].open("wb") as file:
            made.write(file.fileno())
    return files


def answers(server: Server, name: str) -> list[Any]:
    """Return what a model says to a text and to pictures, with the log probabilities of the text."""
    asked: dict[str, Any] = {"model": name, "options": OPTIONS, "stream": False, "raw": True}
    text = server.ask("/api/generate", asked | {"prompt": "The sky is blue.", "logprobs": True})
    seen = [server.ask("/api/generate", asked | {"prompt": "What?", "images": [image]}) for image in (RED, BLUE)]
    return [
        text["response"],
        [entry["logprob"] for entry in text["logprobs"]],
        *((answer["response"], answer["prompt_eval_count"]) for answer in seen),
    ]


@pytest.mark.parametrize("engine", ["portable", "native"])
def test_a_translated_model_answers_as_its_twin(serve: Serve, gemma: dict[str, Path], engine: str) -> None:
    server = serve({"PUNA_ENGINE": require_native()} if engine == "native" else {})
    old = create(server, "old", gemma["old"])
    assert "vision" in server.ask("/api/show", {"model": old})["capabilities"]
    found = answers(server, old)
    new = create(server, "new", gemma["text"], gemma["eyes"])
    assert found == answers(server, new)
    assert found[2] != found[3], "red and blue look alike"


def files(server: Server) -> set[Path]:
    return {path for path in server.world.models.rglob("*") if path.is_file()}


def test_nothing_is_left_however_it_ends(serve: Serve, gemma: dict[str, Path]) -> None:
    server = serve({})
    name = create(server, "old", gemma["old"])
    before = files(server)
    blob = server.world.models / "blobs" / f"sha256-{hashlib.sha256(gemma['old'].read_bytes()).hexdigest()}"
    answers(server, name)
    assert files(server) == before
    assert blob.read_bytes() == gemma["old"].read_bytes()
    server.kill()
    wait_for(lambda: not server.world.processes(), what="the runner to end")
    assert files(server) == before
    again = serve(world=server.world)
    assert answers(again, name)
    assert again.request("DELETE", "/api/delete", {"model": name}).status_code == 200
    assert blob.name not in again.blobs()


def test_the_log_says_which_way_was_taken(serve: Serve, gemma: dict[str, Path]) -> None:
    server = serve({})
    answers(server, create(server, "old", gemma["old"]))
    assert "has the layout gemma3; translated, " in server.log()


def test_a_file_that_has_been_damaged_is_an_error_with_a_reason(serve: Serve, gemma: dict[str, Path]) -> None:
    server = serve({})
    name = create(server, "old", gemma["old"])
    digest = hashlib.sha256(gemma["old"].read_bytes()).hexdigest()
    blob = server.world.models / "blobs" / f"sha256-{digest}"
    blob.write_bytes(blob.read_bytes()[:-100_000])
    with contextlib.closing(server.post("/api/generate", {"model": name, "prompt": "x"})) as response:
        assert response.status_code in (400, 500)
        assert "bytes" in response.json()["error"] or "ends" in response.json()["error"]
