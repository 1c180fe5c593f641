"""What Ollama's registry has is translated to what llama.cpp wants: both answer alike, and see alike."""

import base64
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.e2e.projector import picture
from tests.server import Server
from tests.twins.files import create, write_twin
from tests.twins.models import TWINS

from puna.models.library import Library

IMAGES = [base64.b64encode(picture(*color)).decode() for color in ((255, 0, 0), (0, 0, 255))]
OPTIONS = {"temperature": 0, "num_predict": 8, "seed": 1, "num_batch": 16}
ALWAYS = "gemma4"  # a step must hold the fewest tokens that its projector makes of a picture


def answers(server: Server, name: str, *, sees: bool) -> list[Any]:
    asked: dict[str, Any] = {"model": name, "options": OPTIONS, "stream": False, "raw": True}
    text = server.ask("/api/generate", asked | {"prompt": "The sky is blue.", "logprobs": True})
    found = [text["response"], [entry["logprob"] for entry in text["logprobs"]]]
    for image in IMAGES if sees else []:
        seen = server.ask("/api/generate", asked | {"prompt": "What?", "images": [image]})
        found.append((seen["response"], seen["prompt_eval_count"]))
    return found


@pytest.mark.parametrize(
    "name", [name if name == ALWAYS else pytest.param(name, marks=pytest.mark.twins) for name in TWINS]
)
def test_a_translated_model_answers_as_its_twin(serve: Serve, tmp_path: Path, name: str) -> None:
    server = serve({})
    old, new = write_twin(tmp_path, Library(tmp_path).get("cria").path, TWINS[name]())
    found = answers(server, create(server, "old", *old), sees=len(new) > 1)
    assert found == answers(server, create(server, "new", *new), sees=len(new) > 1)
    assert len(found) == 2 or found[2] != found[3], "red and blue look alike"
