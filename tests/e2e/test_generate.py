"""``/api/generate``: shapes, ends, context, seeds, options at the top level."""

import math
from typing import Any

import pytest
import requests
from tests.server import Server

DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
COUNTS = ("prompt_eval_count", "eval_count")
SHORT = {"num_predict": 8, "seed": 1, "temperature": 1.5}


def ask(server: Server, **body: Any) -> dict[str, Any]:
    return server.ask("/api/generate", {"model": "cria", "stream": False, "options": SHORT} | body)


def test_whole_answer(server: Server) -> None:
    answer = ask(server, prompt="如何学习机器学习?")
    assert answer["model"] == "cria"
    assert answer["created_at"].endswith("Z")
    assert answer["response"]
    assert answer["done"] is True
    assert all(isinstance(answer[name], int) and answer[name] > 0 for name in (*DURATIONS, *COUNTS))
    assert answer["total_duration"] >= answer["eval_duration"]
    assert all(isinstance(token, int) for token in answer["context"])
    assert len(answer["context"]) > answer["prompt_eval_count"]


def test_answer_to_plain_requests(server: Server) -> None:
    body = {"model": "cria", "prompt": "如何学习机器学习?", "stream": False, "temperature": 0.7, "max_tokens": 6}
    response = requests.post(f"{server.url}/api/generate", json=body, timeout=60)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json()["response"]
    assert response.json()["eval_count"] <= 6


def test_stream_is_the_default(server: Server) -> None:
    *pieces, last = server.stream("/api/generate", {"model": "cria", "prompt": "Hello", "options": SHORT})
    assert pieces
    assert all(set(piece) == {"model", "created_at", "response", "done"} and not piece["done"] for piece in pieces)
    assert last["done"] is True
    assert last["response"] == ""
    assert set(last) >= {"model", "created_at", "done_reason", "context", *DURATIONS, *COUNTS}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/api/generate", {"prompt": "Hi"}),
        ("/api/create", {"model": "streamed", "from": "cria"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}),
        ("/v1/responses", {"input": "Hi", "max_output_tokens": 2}),
    ],
)
def test_no_proxy_keeps_the_pieces_of_a_stream_back(server: Server, path: str, asked: dict[str, Any]) -> None:
    response = server.post(path, {"model": "cria", "stream": True} | asked)
    assert response.headers["X-Accel-Buffering"] == "no"


def test_stream_and_whole_answer_are_the_same_text(server: Server) -> None:
    lines = server.stream("/api/generate", {"model": "cria", "prompt": "Hello", "options": SHORT})
    whole = ask(server, prompt="Hello")
    assert "".join(line["response"] for line in lines) == whole["response"]
    assert lines[-1]["context"] == whole["context"]


def test_length_ends_an_answer(server: Server) -> None:
    answer = ask(server, prompt="x", options={"num_predict": 3, "ignore_eos": True})
    assert (answer["done_reason"], answer["eval_count"]) == ("length", 3)


@pytest.mark.parametrize("stop", ["three", ["never", "three"]])
def test_stop_string_ends_an_answer_and_is_left_out(server: Server, stop: Any) -> None:
    options = {"grammar": 'root ::= "one two three four"', "num_predict": 32}
    answer = ask(server, prompt="x", options=options | {"stop": stop})
    assert (answer["done_reason"], answer["response"]) == ("stop", "one two ")
    streamed = server.stream("/api/generate", {"model": "cria", "prompt": "x", "options": options, "stop": stop})
    assert "".join(line["response"] for line in streamed) == "one two "
    assert streamed[-1]["done_reason"] == "stop"


def test_empty_prompt_loads(server: Server) -> None:
    answer = server.ask("/api/generate", {"model": "cria"})
    assert {**answer, "created_at": ""} == {
        "model": "cria",
        "created_at": "",
        "response": "",
        "done": True,
        "done_reason": "load",
    }


def test_context_goes_on_from_an_earlier_answer(server: Server) -> None:
    first = ask(server, prompt="My name is Ada.")
    second = ask(server, prompt="And now?", context=first["context"])
    assert second["context"][: len(first["context"])] == first["context"]
    assert second["prompt_eval_count"] > len(first["context"])
    assert len(second["context"]) > second["prompt_eval_count"]


@pytest.mark.parametrize("token", [-5, 10**6, 2**40])
def test_context_of_no_tokens_is_refused(server: Server, token: int) -> None:
    response = server.post("/api/generate", {"model": "cria", "prompt": "x", "context": [token], "options": SHORT})
    assert response.status_code == 400, response.text
    assert response.json()["error"]
    assert ask(server, prompt="x")["response"], "the runner is well"


def test_same_seed_same_text_other_seed_other_text(server: Server) -> None:
    options = {"temperature": 3.0, "num_predict": 24, "ignore_eos": True, "top_k": 0, "top_p": 1.0}
    texts = [ask(server, prompt="Tell me", options=options | {"seed": seed})["response"] for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


def test_no_seed_differs(server: Server) -> None:
    options = {"temperature": 2.0, "num_predict": 24, "ignore_eos": True, "top_k": 0, "top_p": 1.0}
    assert len({ask(server, prompt="Tell me", options=options)["response"] for _ in range(3)}) > 1


def test_options_at_the_top_level(server: Server) -> None:
    answer = ask(server, prompt="x", options={"ignore_eos": True}, max_tokens=4, temperature=0, seed=3)
    assert answer["eval_count"] == 4
    hot = {"top_p": 1.0, "top_k": 0, "seed": 5, "temperature": 2.0}
    limit = {"num_predict": 24, "ignore_eos": True}
    top_level = ask(server, prompt="x", options=limit, **hot)["response"]
    assert top_level == ask(server, prompt="x", options=limit | hot)["response"]
    assert top_level != ask(server, prompt="x", options=limit | {"temperature": 0}, top_p=1.0, top_k=0)["response"]


def test_options_win_over_the_top_level(server: Server) -> None:
    options = {"num_predict": 3, "ignore_eos": True, "temperature": 0, "seed": 1}
    plain = ask(server, prompt="x", options=options)
    both = ask(server, prompt="x", options=options, max_tokens=20, temperature=2.0, seed=2)
    assert both["eval_count"] == 3
    assert both["response"] == plain["response"]


def test_system_message_and_template_of_the_request(server: Server) -> None:
    template = "S:{{ .System }} P:{{ .Prompt }} A:"
    body = {"prompt": "hi", "system": "be brief", "template": template, "_debug_render_only": True}
    assert ask(server, **body)["_debug_info"]["rendered_template"] == "S:be brief P:hi A:"


def test_raw_prompt_is_sent_as_it_is(server: Server) -> None:
    rendered = ask(server, prompt="<|im_start|>as is", raw=True, _debug_render_only=True)
    assert rendered["_debug_info"]["rendered_template"] == "<|im_start|>as is"
    assert "context" not in ask(server, prompt="<|im_start|>as is", raw=True)


def test_raw_prompt_excludes_templates(server: Server) -> None:
    response = server.post("/api/generate", {"model": "cria", "prompt": "x", "raw": True, "system": "y"})
    assert response.status_code == 400
    assert response.json() == {"error": "raw mode does not support template, system, or context"}


def test_suffix_is_filled_in_before(server: Server) -> None:
    assert ask(server, prompt="def add(a, b):\n", suffix="\n    return c")["done"] is True


def test_format_binds_the_answer(server: Server) -> None:
    answer = ask(server, prompt="x", format={"enum": ["yes", "no"]}, options={"num_predict": 64, "seed": 1})
    assert answer["response"] in {'"yes"', '"no"'}


def test_log_probabilities(server: Server) -> None:
    answer = ask(server, prompt="x", logprobs=True, top_logprobs=2, options={"num_predict": 3, "ignore_eos": True})
    assert len(answer["logprobs"]) == 3
    for entry in answer["logprobs"]:
        assert entry["logprob"] <= 0
        assert math.isfinite(entry["logprob"])
        assert bytes(entry["bytes"]).decode(errors="replace") == entry["token"]
        assert len(entry["top_logprobs"]) == 2


def test_prompt_longer_than_the_context_is_cut_and_said_so(server: Server) -> None:
    answer = ask(server, prompt="word " * 3000, raw=True)
    assert answer["prompt_truncated"] is True
    assert answer["dropped_tokens"] > 0
    assert answer["prompt_eval_count"] <= answer["context_length"]


def test_prompt_longer_than_the_context_is_refused_when_asked_so(server: Server) -> None:
    response = server.post("/api/generate", {"model": "cria", "prompt": "word " * 3000, "truncate": False})
    assert response.status_code == 400
    assert "exceeds the context length" in response.json()["error"]


# Characters that the small vocabulary does not have, so that each is spread over several tokens.
RARE = "饕餮盛宴,𠮷野家🦙🇨🇳,ñandú"


def test_no_character_is_ever_cut(server: Server) -> None:
    options = {"grammar": f'root ::= "{RARE}"', "num_predict": 128}
    lines = server.stream("/api/generate", {"model": "cria", "prompt": "x", "options": options})
    assert "".join(line["response"] for line in lines) == RARE
    assert lines[-1]["eval_count"] > len(RARE), "characters of several tokens are what this is about"
    assert all("\ufffd" not in line["response"] for line in lines)
    assert ask(server, prompt="x", options=options)["response"] == RARE


def test_limit_within_a_character_leaves_the_character_out(server: Server) -> None:
    for limit in range(1, 8):
        options = {"grammar": f'root ::= "{RARE}"', "num_predict": limit}
        text = ask(server, prompt="x", options=options)["response"]
        assert RARE.startswith(text), limit
