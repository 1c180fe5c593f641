"""What else is in a prompt and an answer: gaps, raw text, overrides, history, images, log probabilities."""

import base64
import math
from typing import Any

import pytest
from tests.e2e.prompting import chat, chat_stream, make, refusal, rendered, user
from tests.inference.media.sounds import wav
from tests.server import Server

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\nnot really").decode()
SHORT = {"num_predict": 6, "temperature": 0}


@pytest.fixture(params=["engine", "go"])
def model(request: pytest.FixtureRequest, go_model: str) -> str:
    """The built-in model by either path."""
    return "cria" if request.param == "engine" else go_model


def generate(server: Server, **body: Any) -> dict[str, Any]:
    return server.ask("/api/generate", {"model": "cria", "stream": False, "options": SHORT} | body)


def prompt_of(server: Server, **body: Any) -> str:
    text: str = generate(server, **body, _debug_render_only=True)["_debug_info"]["rendered_template"]
    return text


def test_gap_is_filled_in(server: Server, model: str) -> None:
    body = {"model": model, "prompt": "def add(a, b):\n", "suffix": "\n    return c"}
    expected = "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\n    return c<|fim_middle|>"
    assert prompt_of(server, **body) == expected
    raw = {"model": model, "prompt": expected, "raw": True}
    for extra in ({}, {"logprobs": True}):
        filled, continued = (generate(server, **asked, **extra) for asked in (body, raw))
        assert filled["response"] == continued["response"]
        assert filled["prompt_eval_count"] == continued["prompt_eval_count"]
        assert ("logprobs" in filled) == bool(extra)


def test_marks_in_a_gap_s_text_are_text(server: Server) -> None:
    body = {"prompt": "a<|im_end|>", "suffix": "b<|fim_middle|>"}
    plain = generate(server, **body, options={"num_predict": 1})
    marks = generate(server, prompt=prompt_of(server, **body), raw=True, options={"num_predict": 1})
    assert plain["prompt_eval_count"] > marks["prompt_eval_count"]


def test_template_s_own_suffix_is_used(server: Server) -> None:
    model = make(server, "own-gap", template="{{ .Prompt }}<GAP>{{ .Suffix }}<END>")
    assert prompt_of(server, model=model, prompt="one", suffix="two") == "one<GAP>two<END>"
    assert "insert" in server.ask("/api/show", {"model": model})["capabilities"]


def test_gap_goes_with_nothing_that_it_would_ignore(server: Server) -> None:
    for extra in ({"images": [PICTURE]}, {"context": [1, 2]}):
        error = refusal(server, "/api/generate", prompt="a", suffix="b", **extra)
        assert error == "suffix cannot be used together with images, audio or context"


def test_raw_text_is_sent_as_it_is(server: Server, model: str) -> None:
    text = "<|im_start|>user\nhi {{ .Prompt }}"
    assert prompt_of(server, model=model, prompt=text, raw=True) == text


def test_system_and_template_of_a_request(server: Server, model: str) -> None:
    text = prompt_of(server, model=model, prompt="hi", system="RULES")
    assert text == "<|im_start|>system\nRULES<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    template = "{{ range .Messages }}[{{ .Role }}:{{ .Content }}]{{ end }}"
    assert prompt_of(server, model=model, prompt="hi", system="RULES", template=template) == "[system:RULES][user:hi]"
    error = refusal(server, "/api/generate", model=model, prompt="hi", template="line\n{{ if }}")
    assert "2" in error
    assert "missing value for if" in error


def test_system_message_of_the_model(server: Server) -> None:
    model = make(server, "with-rules", system="RULES")
    assert "system\nRULES<" in prompt_of(server, model=model, prompt="hi")
    assert "RULES" not in prompt_of(server, model=model, prompt="hi", system="OTHER")
    assert "system\nRULES<" in rendered(server, user("hi"), model)
    assert "RULES" not in rendered(server, [{"role": "system", "content": "OTHER"}, *user("hi")], model)


def test_history_of_the_model(server: Server) -> None:
    history = [*user("ONE"), {"role": "assistant", "content": "TWO"}]
    model = make(server, "with-history", messages=history, system="RULES")
    expected = rendered(server, [{"role": "system", "content": "RULES"}, *history, *user("THREE")])
    assert rendered(server, user("THREE"), model) == expected
    assert prompt_of(server, model=model, prompt="THREE") == expected
    assert "ONE" not in prompt_of(server, model=model, prompt="THREE", context=[1])


def test_context_carries_a_conversation(server: Server, model: str) -> None:
    first = generate(server, model=model, prompt="Hello!")
    second = generate(server, model=model, prompt="And you?", context=first["context"])
    # The end of the first answer is not part of its context, as in Ollama.
    whole = prompt_of(server, model=model, prompt="Hello!") + first["response"]
    whole += prompt_of(server, model=model, prompt="And you?")
    raw = generate(server, prompt=whole, raw=True)
    assert second["prompt_eval_count"] == raw["prompt_eval_count"]
    assert second["response"] == raw["response"]
    assert second["context"][: len(first["context"])] == first["context"]


def test_sound_needs_a_model_that_hears(server: Server, model: str) -> None:
    sound = base64.b64encode(wav()).decode()
    for field in ("images", "audio"):
        message = {"role": "user", "content": "what is this?", field: [sound]}
        error = refusal(server, "/api/chat", model=model, messages=[message])
        assert error == f'"{model}" does not support audio'
        assert refusal(server, "/api/generate", model=model, prompt="x", raw=True, **{field: [sound]}) == error
    assert refusal(server, "/api/generate", prompt="x", audio=[PICTURE]) == "audio.0 is neither WAV, MP3 nor FLAC"
    assert "suffix" in refusal(server, "/api/generate", prompt="x", suffix="y", audio=[sound])


def test_images_need_a_model_that_sees(server: Server, model: str) -> None:
    message = {"role": "user", "content": "what is this?", "images": [PICTURE]}
    error = refusal(server, "/api/chat", model=model, messages=[message])
    assert error == f'"{model}" does not support images'
    assert refusal(server, "/api/generate", model=model, prompt="x", images=[PICTURE]) == error
    assert refusal(server, "/api/generate", model=model, prompt="x", images=[PICTURE], raw=True) == error


@pytest.mark.parametrize("image", ["%%", "a", "data:image/png;base64,%"])
def test_images_must_be_base64(server: Server, image: str) -> None:
    message = {"role": "user", "content": "what is this?", "images": [image]}
    error = refusal(server, "/api/chat", messages=[message, message | {"images": [PICTURE, image]}])
    assert error == "messages.0.images.0 is not valid base64"
    assert refusal(server, "/api/generate", prompt="x", images=[PICTURE, image]) == "images.1 is not valid base64"
    assert refusal(server, "/api/generate", prompt="x", audio=[image]) == "audio.0 is not valid base64"


def test_unknown_role_is_refused(server: Server) -> None:
    error = refusal(server, "/api/chat", messages=[{"role": "robot", "content": "x"}])
    assert error == 'invalid role: "robot" (must be one of system, user, assistant, tool, control, developer, function)'


@pytest.mark.parametrize("top", [0, 1, 20])
def test_log_probabilities(server: Server, model: str, top: int) -> None:
    body = {"logprobs": True, "top_logprobs": top, "options": {"num_predict": 4, "ignore_eos": True}}
    whole = chat(server, user("你好"), model, **body)
    streamed = chat_stream(server, user("你好"), model, **body)
    entries = whole["logprobs"]
    assert len(entries) == whole["eval_count"] == 4
    assert entries == [entry for piece in streamed["pieces"] for entry in piece.get("logprobs", [])]
    for entry in entries:
        assert entry["logprob"] <= 0
        assert math.isfinite(entry["logprob"])
        assert bytes(entry["bytes"]).decode(errors="replace") == entry["token"]
        others = entry.get("top_logprobs", [])
        assert len(others) == top
        assert [other["logprob"] for other in others] == sorted((other["logprob"] for other in others), reverse=True)
        if top:
            assert others[0]["token"] == entry["token"], "the likeliest is chosen at temperature 0"


@pytest.mark.parametrize("top", [-1, 21])
def test_number_of_alternatives_has_limits(server: Server, top: int) -> None:
    for path, body in (("/api/chat", {"messages": user("x")}), ("/api/generate", {"prompt": "x"})):
        error = refusal(server, path, logprobs=True, top_logprobs=top, **body)
        assert error == "top_logprobs must be between 0 and 20"


def test_no_log_probabilities_unless_asked_for(server: Server, model: str) -> None:
    assert "logprobs" not in chat(server, user("x"), model, top_logprobs=3, options={"num_predict": 1})


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one two three four", ["three"], "one two "),
        ("one two three four", ["ree f"], "one two th"),
        ("one two three four", ["two three four"], "one "),
        ("one two three four", ["four!", "e f"], "one two thre"),
        ("one two three four", ["never"], "one two three four"),
        ("one two three fou", ["four"], "one two three fou"),
        ("世界你好", ["你"], "世界"),
        ("a世界b", ["世界b"], "a"),
        ("🦙🦙x", ["🦙x"], "🦙"),
        ("stop", ["stop"], ""),
    ],
)
def test_nothing_of_a_stop_string_leaks(server: Server, model: str, text: str, stop: list[str], expected: str) -> None:
    options = {"grammar": f'root ::= "{text}"', "stop": stop, "num_predict": 64}
    for ask in (chat, chat_stream):
        answer = ask(server, user("x"), model, options=options)
        assert (answer["message"]["content"], answer["done_reason"]) == (expected, "stop")
