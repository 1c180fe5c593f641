"""Images: a model with a projector gets them, by every way that they can come."""

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.conftest import Serve
from tests.e2e.jinja import with_jinja
from tests.e2e.projector import picture, write_projector
from tests.e2e.prompting import GO_TEMPLATE, chat, chat_stream, refusal, rendered
from tests.inference.media.test_media import huge_png
from tests.server import Server
from tests.system import require_native

from puna.models.library import Library

RED, BLUE = (base64.b64encode(picture(*color)).decode() for color in ((255, 0, 0), (0, 0, 255)))
BROKEN = base64.b64encode(b"\x89PNG\r\n\x1a\nnot really").decode()
PATCHES = 4
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}


PATHS: dict[str, dict[str, Any]] = {
    "engine": {},
    "go": {"template": GO_TEMPLATE},
    "family": {"renderer": "qwen3.5", "parser": "qwen3.5"},
}


@pytest.fixture(scope="module", params=PATHS)
def seeing(request: pytest.FixtureRequest, shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The built-in model with a projector of random weights, by each path."""
    recipe = PATHS[request.param]
    return make_seeing(shared_server, tmp_path_factory.mktemp("projector"), f"seeing-{request.param}", **recipe)


def make_seeing(server: Server, folder: Path, name: str, model: bytes = b"", **recipe: Any) -> str:
    """Make the model of this name, of another model's file if one is given, and return the name."""
    width = server.ask("/api/show", {"model": "cria"})["model_info"]["llama.embedding_length"]
    write_projector(folder / "mmproj.gguf", width)
    files = {}
    model = model or Library(folder).get("cria").path.read_bytes()
    for file, data in (("model", model), ("mmproj", (folder / "mmproj.gguf").read_bytes())):
        files[f"{file}.gguf"] = digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert server.post(f"/api/blobs/{digest}", data).status_code in {200, 201}
    body = {"model": name, "files": files, "parameters": {"think": False}, "stream": False}
    server.ask("/api/create", body | recipe)
    return name


def look(*images: str, text: str = "What is this?") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text, "images": list(images)}]


def test_model_with_a_projector_sees(server: Server, seeing: str) -> None:
    assert "vision" in server.ask("/api/show", {"model": seeing})["capabilities"]


def test_image_is_part_of_the_prompt(server: Server, seeing: str) -> None:
    options = {"num_predict": 4}
    without = chat(server, look(), seeing, options=options)["prompt_eval_count"]
    one, two = (chat(server, look(*images), seeing, options=options) for images in ([RED], [RED, BLUE]))
    assert one["prompt_eval_count"] >= without + PATCHES
    assert two["prompt_eval_count"] >= without + 2 * PATCHES
    assert chat_stream(server, look(RED), seeing, options=options)["message"] == one["message"]


def test_images_count_when_a_conversation_is_made_to_fit(server: Server, seeing: str) -> None:
    options = {"num_predict": 4}
    whole = chat(server, look(RED, BLUE), seeing, options=options)["prompt_eval_count"]
    tight = options | {"num_ctx": whole}
    error = refusal(server, "/api/chat", model=seeing, messages=look(RED, BLUE), truncate=False, options=tight)
    assert f"the input has {whole} tokens" in error
    turns = [*look(*[RED, BLUE] * 10), {"role": "assistant", "content": "Red."}] * 4
    answer = chat(server, [*turns, *look()], seeing, options=options | {"num_ctx": 256})
    assert answer["dropped_messages"] >= 2
    assert 0 < answer["prompt_eval_count"] < 256


def test_different_images_are_told_apart(server: Server, seeing: str) -> None:
    body = {"logprobs": True, "options": {"num_predict": 1}}
    first, second = (chat(server, look(image), seeing, **body)["logprobs"][0] for image in (RED, BLUE))
    assert first["logprob"] != second["logprob"]


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "AVIF", "BMP", "GIF"])
def test_a_picture_in_another_form_is_the_same_picture(server: Server, seeing: str, kind: str) -> None:
    written = io.BytesIO()
    exact = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    Image.open(io.BytesIO(base64.b64decode(RED))).save(written, kind, **exact.get(kind, {}))
    other = base64.b64encode(written.getvalue()).decode()
    first, second, third = (first_logprob(server, seeing, look(image)) for image in (RED, other, BLUE))
    assert abs(first - second) < abs(first - third) / 4


def first_logprob(server: Server, model: str, messages: list[dict[str, Any]]) -> float:
    """Return the log probability of the first token of an answer, which differs from picture to picture."""
    answer = chat(server, messages, model, logprobs=True, options={"num_predict": 1})
    number: float = answer["logprobs"][0]["logprob"]
    return number


MARKER = re.compile(r"<__media_?[^>]*>")


def test_marks_say_where_pictures_go(server: Server, seeing: str) -> None:
    def shown(text: str, *images: str) -> str:
        return MARKER.sub("*", rendered(server, look(*images, text=text), seeing))

    assert "one * two * three" in shown("one [img] two [img] three", RED, BLUE)
    assert "*one * two" in shown("one [img] two", RED, BLUE)
    assert "one [img] two" in shown("one [img] two")
    assert "* one [img-7] two" in shown("[img] one [img-7] two", RED), "what names no picture is text"
    turns = [*look(RED, text="a [img-0] b"), *look(BLUE, text="c [img-1] d [img-0]")]
    text = MARKER.sub("*", rendered(server, turns, seeing))
    assert "a * b" in text
    assert "c * d [img-0]" in text


def test_marks_say_which_picture_goes_where(server: Server, seeing: str) -> None:
    found = [
        first_logprob(server, seeing, look(*images, text=text))
        for images, text in (
            ((RED, BLUE), "[img-1] and [img-0]"),
            ((BLUE, RED), "[img] and [img]"),
            ((RED, BLUE), "[img] and [img]"),
        )
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-4)
    assert found[0] != pytest.approx(found[2], abs=1e-4)


def test_marks_in_a_raw_prompt(server: Server, seeing: str) -> None:
    body = {"model": seeing, "raw": True, "images": [RED, BLUE], "stream": False}
    body |= {"options": {"num_predict": 1, "temperature": 0}}
    body |= {"logprobs": True, "prompt": "See [img-1], then [img]"}
    shown = server.ask("/api/generate", body | {"_debug_render_only": True})["_debug_info"]["rendered_template"]
    assert MARKER.sub("*", shown) == "See *, then *\n", "the engine wants text at the end"
    turned = server.ask("/api/generate", body | {"images": [BLUE, RED], "prompt": "See [img], then [img]"})
    answer = server.ask("/api/generate", body)
    assert answer["prompt_eval_count"] == turned["prompt_eval_count"]
    assert answer["logprobs"][0]["logprob"] == pytest.approx(turned["logprobs"][0]["logprob"], abs=1e-4)


@pytest.mark.parametrize("engine", ["portable", "native"])
@pytest.mark.parametrize("path", ["engine", "go"])
def test_a_prompt_may_end_with_an_image(serve: Serve, tmp_path: Path, engine: str, path: str) -> None:
    server = serve({"PUNA_ENGINE": require_native()} if engine == "native" else {})
    file = with_jinja("{% for m in messages %}{{ m.content }}{% endfor %}") if path == "engine" else b""
    bare = make_seeing(server, tmp_path, "bare", file, **({"template": "{{ .Prompt }}"} if path == "go" else {}))
    for text in ("See [img]", ""):
        found = [first_logprob(server, bare, look(image, text=text)) for image in (RED, BLUE)]
        assert found[0] != pytest.approx(found[1], abs=1e-4)


def test_image_with_a_format(server: Server, seeing: str) -> None:
    for think in (False, True):
        answer = chat(server, look(RED), seeing, format=SCHEMA, think=think)
        assert answer["prompt_eval_count"] >= PATCHES
        assert answer["message"]["content"].lstrip()[:1] in {"{", ""}


def test_generate_takes_images(server: Server, seeing: str) -> None:
    options = {"temperature": 0, "num_predict": 4}
    body = {"model": seeing, "prompt": "What is this?", "stream": False, "options": options}
    answer = server.ask("/api/generate", body | {"images": [RED]})
    assert answer["response"] == chat(server, look(RED), seeing, options=options)["message"]["content"]
    raw = body | {"raw": True}
    more = server.ask("/api/generate", raw | {"images": [RED]})["prompt_eval_count"]
    assert more >= server.ask("/api/generate", raw)["prompt_eval_count"] + PATCHES
    again = server.ask("/api/generate", body | {"images": [RED], "context": [1, 2, 3]})
    assert again["prompt_eval_count"] == answer["prompt_eval_count"] + 3


@pytest.mark.parametrize("more", [{"raw": True}, {"context": [1, 2, 3]}])
def test_a_text_with_images_that_does_not_fit_is_refused(server: Server, seeing: str, more: dict[str, Any]) -> None:
    tight = {"num_ctx": 64, "num_predict": 4}
    body = {"model": seeing, "prompt": "Hello", "images": [RED], "stream": False, "options": tight} | more
    tokens = server.ask("/api/generate", body)["prompt_eval_count"]
    for stream in (True, False):
        long = body | {"prompt": "llama " * 80, "stream": stream}
        assert re.fullmatch(
            r"the input has \d+ tokens, which exceeds the context length of 64 tokens",
            refusal(server, "/api/generate", **long),
        )
    error = refusal(server, "/api/generate", **body | {"options": {"num_ctx": tokens, "num_predict": 1}})
    assert f"the input has {tokens} tokens" in error
    assert refusal(server, "/api/generate", **body | {"images": [BROKEN]})


@pytest.mark.parametrize("more", [{"raw": True}, {"context": [1, 2, 3]}, {}, {"format": SCHEMA}])
def test_an_answer_to_images_ends_with_the_context_that_must_not_shift(
    server: Server, seeing: str, more: dict[str, Any]
) -> None:
    options = {"num_ctx": 64, "num_predict": 200, "ignore_eos": True}
    body = {"model": seeing, "prompt": "Hello", "images": [RED], "stream": False, "shift": False, "options": options}
    answer = server.ask("/api/generate", body | more)
    assert answer["prompt_eval_count"] + answer["eval_count"] <= 64


def test_number_of_images_is_told(server: Server, seeing: str) -> None:
    answer = chat(server, look(RED, BLUE), seeing, _debug_render_only=True)
    assert answer["_debug_info"]["image_count"] == 2


def test_text_is_no_image(server: Server, seeing: str) -> None:
    for text in ("<__media__>", "<image>", "<__media_x__>"):
        assert chat(server, look(RED, text=text), seeing, options={"num_predict": 1})["done"] is True
        assert chat(server, look(text=text), seeing, options={"num_predict": 1})["done"] is True


def test_the_image_at_fault_is_named(server: Server, seeing: str) -> None:
    error = refusal(server, "/api/chat", model=seeing, messages=[*look(RED), *look(BLUE, BROKEN)])
    assert error.startswith("image 3 of 3 cannot be read")
    cut = base64.b64encode(base64.b64decode(RED)[:-30]).decode()  # which only the engine finds out
    error = refusal(server, "/api/chat", model=seeing, messages=[*look(RED), *look(BLUE, cut)])
    assert error.startswith("image 3 of 3 cannot be read")


def test_a_picture_that_claims_to_be_large_is_refused(server: Server, seeing: str) -> None:
    image = base64.b64encode(huge_png(50_000, 50_000)).decode()
    assert "pixels" in refusal(server, "/api/chat", model=seeing, messages=look(image))


def test_what_is_no_image_is_refused(server: Server, seeing: str) -> None:
    assert refusal(server, "/api/chat", model=seeing, messages=look(BROKEN))
    assert chat(server, look(RED), seeing, options={"num_predict": 1})["done"] is True, "the runner is well"
