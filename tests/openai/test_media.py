"""Pictures and sounds among the parts of a message, and transcripts."""

import base64
import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.conftest import Serve
from tests.e2e.projector import picture
from tests.e2e.test_images import make_seeing
from tests.e2e.test_sound import make_hearing
from tests.inference.media.sounds import flac, mp3, wav
from tests.openai.asking import chat, refused
from tests.server import Server

from openai import OpenAI

RED, BLUE = (base64.b64encode(picture(*color)).decode() for color in ((255, 0, 0), (0, 0, 255)))
HIGH = base64.b64encode(wav(3000)).decode()
TEXT = {"type": "text", "text": "What is this?"}


def image(data: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}", **more}}


def sound(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


@pytest.fixture(scope="module")
def seeing(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_seeing(shared_server, tmp_path_factory.mktemp("projector"), "openai-seeing")


@pytest.fixture(scope="module")
def hearing(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_hearing(shared_server, tmp_path_factory.mktemp("ears"), "openai-hearing")


def prompt_tokens(client: OpenAI, content: Any, model: str, **fields: Any) -> int:
    usage = chat(client, content, model=model, max_tokens=1, **fields).usage
    assert usage
    return usage.prompt_tokens


def test_pictures_are_parts_of_the_prompt(client: OpenAI, seeing: str) -> None:
    without = prompt_tokens(client, [TEXT], seeing)
    assert prompt_tokens(client, [TEXT, image(RED)], seeing) >= without + 4
    assert prompt_tokens(client, [image(RED, detail="low"), TEXT, image(BLUE)], seeing) >= without + 8


def test_parts_keep_their_order(client: OpenAI, seeing: str) -> None:
    first, last = (
        chat(client, parts, model=seeing, logprobs=True, top_logprobs=5).choices[0].logprobs
        for parts in ([image(RED), TEXT], [TEXT, image(RED)])
    )
    assert first != last


def test_picture_in_a_result(client: OpenAI, seeing: str) -> None:
    messages = [
        {"role": "user", "content": "Look."},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": [TEXT, image(RED)]},
    ]
    usual = [*messages[:2], {"role": "tool", "tool_call_id": "c", "content": [TEXT]}]
    counts = [prompt_tokens(client, "", seeing, messages=said) for said in (messages, usual)]
    assert counts[0] >= counts[1] + 4


def test_picture_by_url(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(base64.b64decode(RED))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages:
        Thread(target=pages.serve_forever, daemon=True).start()
        server = serve({"PUNA_MEDIA_HOSTS": f"127.0.0.1:{pages.server_port}"})
        model = make_seeing(server, tmp_path, "seeing")
        body: dict[str, Any] = {"model": model, "max_tokens": 4, "temperature": 0}
        url = f"http://127.0.0.1:{pages.server_port}/red.png"
        fetched, sent = (
            server.ask("/v1/chat/completions", body | {"messages": [{"role": "user", "content": [TEXT, part]}]})
            for part in ({"type": "image_url", "image_url": {"url": url}}, image(RED))
        )
        gone = {"type": "image_url", "image_url": {"url": url + ".gone"}}
        response = server.post("/v1/chat/completions", body | {"messages": [{"role": "user", "content": [gone]}]})
        pages.shutdown()
    assert fetched["choices"] == sent["choices"]
    assert fetched["usage"]["prompt_tokens"] == sent["usage"]["prompt_tokens"]
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages.0.content.0.image_url.url"


@pytest.mark.parametrize(
    ("part", "param"),
    [
        (image("%%%"), "messages.0.content.0.image_url.url"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "messages.0.content.0.image_url.url"),
        ({"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a"}}, "messages.0.content.0.image_url.url"),
        ({"type": "image_url", "image_url": {}}, "messages.0.content.0.image_url.url"),
        ({"type": "input_audio", "input_audio": {"data": RED}}, "messages.0.content.0.input_audio.data"),
        ({"type": "input_audio"}, "messages.0.content.0.input_audio.data"),
        ({"type": "file", "file": {"file_id": "x"}}, "messages.0.content.0.type"),
    ],
)
def test_parts_that_cannot_be(client: OpenAI, seeing: str, part: dict[str, Any], param: str) -> None:
    with refused(param):
        chat(client, [part], model=seeing)


def test_model_without_eyes_or_ears(client: OpenAI) -> None:
    with refused(None, "does not support images"):
        chat(client, [image(RED)])
    with refused(None, "does not support audio"):
        chat(client, [sound(HIGH)])


def test_sounds_are_parts_of_the_prompt(client: OpenAI, hearing: str) -> None:
    assert prompt_tokens(client, [TEXT, sound(HIGH)], hearing) > prompt_tokens(client, [TEXT], hearing)


@pytest.mark.parametrize("data", [wav(), flac(), mp3()], ids=["wav", "flac", "mp3"])
def test_transcript(client: OpenAI, hearing: str, data: bytes) -> None:
    answer = client.audio.transcriptions.create(file=("a.wav", data), model=hearing, language="en", prompt="Llamas.")
    assert isinstance(answer.text, str)
    assert answer.usage
    assert answer.usage.type == "tokens"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_what_is_told_about_a_recording_reaches_the_model(client: OpenAI, hearing: str) -> None:
    def tokens(**fields: Any) -> int:
        usage = client.audio.transcriptions.create(file=("a.wav", wav()), model=hearing, **fields).usage
        assert usage
        assert usage.type == "tokens"
        return usage.input_tokens

    plain = tokens()
    assert plain < tokens(language="de")
    assert plain < tokens(prompt="A talk about llamas.")
    assert plain < tokens(extra_body={"keywords": ["llama", "guanaco"]})


@pytest.mark.parametrize("fields", [{}, {"response_format": "text"}, {"stream": True}])
def test_what_has_no_effect_on_a_transcript_is_named(client: OpenAI, hearing: str, fields: dict[str, Any]) -> None:
    asked = {"file": ("a.wav", wav()), "model": hearing, "languages": ["de"], "chunking_strategy": "auto"} | fields
    more = {"num_ctx": 64, "words": ["a"]}
    answer = client.audio.transcriptions.with_raw_response.create(**asked, extra_body=more)
    assert answer.headers["Puna-Ignored"] == "num_ctx, words"


def test_transcript_as_text_and_in_pieces(client: OpenAI, hearing: str) -> None:
    asked: dict[str, Any] = {"file": ("a.wav", wav()), "model": hearing}
    whole = client.audio.transcriptions.create(**asked, include=["logprobs"])
    assert client.audio.transcriptions.create(**asked, response_format="text") == whole.text + "\n"
    assert whole.logprobs
    *deltas, done = client.audio.transcriptions.create(**asked, stream=True)
    assert {delta.type for delta in deltas} <= {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert done.text == whole.text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "srt"}, "response_format"),
        ({"response_format": "verbose_json", "timestamp_granularities": ["word"]}, "response_format"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"chunking_strategy": {"type": "server_vad"}}, "chunking_strategy"),
        ({"file": ("a.wav", b"no sound")}, "file"),
        ({"temperature": -1}, "temperature"),
        ({"model": "nope"}, "model"),
    ],
)
def test_transcripts_that_cannot_be(client: OpenAI, hearing: str, fields: dict[str, Any], param: str) -> None:
    with refused(param, status=404 if param == "model" else 400):
        client.audio.transcriptions.create(**{"file": ("a.wav", wav()), "model": hearing} | fields)


def test_transcript_by_a_model_that_cannot_hear(client: OpenAI, server: Server) -> None:
    with refused(None, "does not support audio"):
        client.audio.transcriptions.create(file=("a.wav", wav()), model="cria")
    for data, kind in (
        (b"x", "application/json"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=y"),
    ):
        response = server.request("POST", "/v1/audio/transcriptions", data, headers={"Content-Type": kind})
        assert response.status_code == 400, response.text
        assert set(json.loads(response.content)["error"]) == {"message", "type", "param", "code"}
