"""Sound: a model with a projector that hears gets it, in every form, by every way and with both engines."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.e2e.hearing import TOKENS, write_ears
from tests.e2e.projector import picture
from tests.e2e.prompting import GO_TEMPLATE, chat, refusal
from tests.inference.media.sounds import flac, mp3, wav
from tests.server import Server, World
from tests.system import require_native

from puna.models.library import Library

HIGH, LOW = (base64.b64encode(wav(hertz)).decode() for hertz in (3000, 200))
FORMS = {"wav": wav(), "flac": flac(), "mp3": mp3()}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
OPTIONS = {"num_predict": 2}


@pytest.fixture(scope="module", params=["engine", "go"])
def hearing(request: pytest.FixtureRequest, shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The built-in model with ears of random weights, by either path."""
    recipe: dict[str, Any] = {"template": GO_TEMPLATE} if request.param == "go" else {}
    return make_hearing(shared_server, tmp_path_factory.mktemp("ears"), f"hearing-{request.param}", **recipe)


def make_hearing(server: Server, folder: Path, name: str, **recipe: Any) -> str:
    """Make the model of this name and return the name."""
    width = server.ask("/api/show", {"model": "cria"})["model_info"]["llama.embedding_length"]
    write_ears(folder / "mmproj.gguf", width)
    files = {}
    for file, path in (("model", Library(folder).get("cria").path), ("mmproj", folder / "mmproj.gguf")):
        data = path.read_bytes()
        files[f"{file}.gguf"] = digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert server.post(f"/api/blobs/{digest}", data).status_code in {200, 201}
    body = {"model": name, "files": files, "parameters": {"think": False}, "stream": False}
    server.ask("/api/create", body | recipe)
    return name


def listen(*sounds: str, text: str = "What is this?", field: str = "audio") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text, field: list(sounds)}]


def test_capabilities_tell_what_it_hears(server: Server, hearing: str) -> None:
    found = server.ask("/api/show", {"model": hearing})["capabilities"]
    assert "audio" in found
    assert "vision" not in found
    listed = {model["name"]: model["capabilities"] for model in server.get("/api/tags").json()["models"]}
    assert listed[f"{hearing}:latest"] == found


def test_sound_is_part_of_the_prompt(server: Server, hearing: str) -> None:
    counts = [
        chat(server, listen(*sounds), hearing, options=OPTIONS)["prompt_eval_count"]
        for sounds in ([], [HIGH], [HIGH, LOW])
    ]
    assert counts[1] >= counts[0] + TOKENS
    assert counts[2] >= counts[1] + TOKENS


def test_different_sounds_are_told_apart(server: Server, hearing: str) -> None:
    body: dict[str, Any] = {"logprobs": True, "options": {"num_predict": 1}}
    found = [
        chat(server, listen(sound, field=field), hearing, **body)["logprobs"][0]["logprob"]
        for sound, field in ((HIGH, "audio"), (HIGH, "images"), (LOW, "audio"))
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-4)
    assert found[0] != pytest.approx(found[2], abs=1e-4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("raw", [True, False])
def test_every_form_is_heard(server: Server, hearing: str, form: str, raw: bool) -> None:
    body = {"model": hearing, "prompt": "What is [img]?", "stream": False, "raw": raw, "options": OPTIONS}
    without = server.ask("/api/generate", body)["prompt_eval_count"]
    sound = base64.b64encode(FORMS[form]).decode()
    assert server.ask("/api/generate", body | {"audio": [sound]})["prompt_eval_count"] > without


def test_sound_with_a_format(server: Server, hearing: str) -> None:
    answer = chat(server, listen(LOW), hearing, format=SCHEMA)
    assert answer["message"]["content"].lstrip()[:1] in {"{", ""}


def test_what_is_no_sound_is_refused(server: Server, hearing: str) -> None:
    def error(*sounds: bytes, field: str = "audio") -> str:
        data = [base64.b64encode(sound).decode() for sound in sounds]
        return refusal(server, "/api/chat", model=hearing, messages=listen(*data, field=field))

    red = picture(255, 0, 0)
    assert error(wav(), red) == "messages.0.audio.1 is neither WAV, MP3 nor FLAC"
    assert error(red, field="images") == f'"{hearing}" does not support images'
    assert error(wav(), wav()[:40]) == "sound 2 of 2 cannot be read: its header is damaged"
    assert "does not say how long it is" in error(flac(0))
    assert "is too long" in error(flac(4, 1))
    assert chat(server, listen(HIGH), hearing, options=OPTIONS)["done"] is True, "the runner is well"


def test_sounds_are_sent_by_their_paths(server: Server, world: World, hearing: str) -> None:
    world.environment["OLLAMA_HOST"] = server.url
    for name, data in (("my sound.wav", wav()), ("red.png", picture(255, 0, 0))):
        (world.home / name).write_bytes(data)
    done = world.run("run", hearing, "What is ./my sound.wav and ./red.png?")
    assert done.returncode == 0, done.stderr
    assert "Added sound 'my sound.wav'" in done.stderr
    assert f"({hearing} cannot see pictures: the name of red.png is sent as text)" in done.stderr


def test_the_native_engine_hears(serve: Serve, tmp_path: Path) -> None:
    server = serve({"PUNA_ENGINE": require_native()})
    for path, recipe in (("engine", {}), ("go", {"template": GO_TEMPLATE})):
        (tmp_path / path).mkdir()
        name = make_hearing(server, tmp_path / path, path, **recipe)
        without = chat(server, listen(), name, options=OPTIONS)["prompt_eval_count"]
        for sound in FORMS.values():
            answer = chat(server, listen(base64.b64encode(sound).decode()), name, options=OPTIONS)
            assert answer["prompt_eval_count"] > without
