"""A context that is told honestly: what was left out of a prompt, or that it does not fit."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import Serve
from tests.e2e.prompting import GO_TEMPLATE, WEATHER, chat, make, refusal, user
from tests.server import Server

CONTEXT = 256
SHORT = {"num_predict": 4}
SYSTEM = {"role": "system", "content": "RULES"}
TURNS = [
    {"role": role, "content": f"{role}-{index} " + "one two three " * 4}
    for index in range(20)
    for role in ("user", "assistant")
]
LONG = [SYSTEM, *TURNS, *user("LAST")]
TOO_LONG = user("one two three " * 200)
COUNTS = re.compile(r"the input has (\d+) tokens, which exceeds the context length of (\d+) tokens")
CALL = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}


@pytest.fixture(scope="module", params=["engine", "go"])
def small(request: pytest.FixtureRequest, shared_server: Server) -> Iterator[str]:
    """A model with a small context, by either path."""
    recipe = {"template": GO_TEMPLATE} if request.param == "go" else {}
    name = make(shared_server, f"small-{request.param}", parameters={"num_ctx": CONTEXT}, **recipe)
    yield name
    shared_server.ask("/api/generate", {"model": name, "keep_alive": 0})


def render(server: Server, messages: list[dict[str, Any]], model: str, **body: Any) -> str:
    answer = chat(server, messages, model, _debug_render_only=True, **body)
    text: str = answer["_debug_info"]["rendered_template"]
    return text


def counts(error: str) -> tuple[int, int]:
    """Return both numbers of an error about the context."""
    found = COUNTS.search(error)
    assert found, error
    return int(found[1]), int(found[2])


def test_system_message_and_latest_turns_stay(server: Server, small: str) -> None:
    prompt = render(server, LONG, small)
    kept = [index for index in range(20) if f"user-{index} " in prompt]
    assert "RULES" in prompt
    assert "LAST" in prompt
    assert kept == list(range(kept[0], 20)), "the oldest go, and no turn between others"
    assert kept[0] > 0
    for index in range(20):
        assert (f"user-{index} " in prompt) == (f"assistant-{index} " in prompt), "whole turns"


@pytest.mark.parametrize("stream", [True, False])
def test_what_was_left_out_is_told(server: Server, small: str, stream: bool) -> None:
    body = {"model": small, "messages": LONG, "stream": stream, "options": SHORT}
    lines = server.stream("/api/chat", body) if stream else [server.ask("/api/chat", body)]
    answer = lines[-1]
    assert answer["prompt_truncated"] is True
    assert answer["context_length"] == CONTEXT
    kept = sum(turn["content"] in render(server, LONG, small) for turn in TURNS)
    assert answer["dropped_messages"] == len(TURNS) - kept
    whole, _ = counts(refusal(server, "/api/chat", model=small, messages=LONG, truncate=False))
    assert answer["dropped_tokens"] == whole - answer["prompt_eval_count"]
    assert answer["prompt_eval_count"] < CONTEXT


def test_nothing_is_told_where_nothing_was_left_out(server: Server, small: str) -> None:
    answer = chat(server, user("Hello"), small, options=SHORT)
    assert not {"prompt_truncated", "dropped_messages", "dropped_tokens", "context_length"} & set(answer)


def test_without_truncation_it_is_an_error_with_both_counts(server: Server, small: str) -> None:
    prompt, context = counts(refusal(server, "/api/chat", model=small, messages=LONG, truncate=False))
    assert context == CONTEXT
    assert prompt > 20 * 20
    assert chat(server, user("Hello"), small, truncate=False, options=SHORT)["done"] is True


def test_last_message_that_is_too_long_by_itself_is_an_error(server: Server, small: str) -> None:
    prompt, context = counts(refusal(server, "/api/chat", model=small, messages=[*LONG, *TOO_LONG]))
    assert context == CONTEXT
    assert CONTEXT < prompt < 1500, "the count is that of what had to stay"


def test_results_never_stay_without_their_call(server: Server, small: str) -> None:
    for count in range(1, 8):
        round_ = [{"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "rain " * 20}]
        messages = [*TURNS[:6], *user("Weather?"), *round_ * count]
        prompt = render(server, messages, small, tools=[WEATHER])
        body = prompt.partition("Weather?")[2]
        assert body, "the question that the calls are for stays"
        assert body.count("<tool_call>") == body.count("<|im_start|>tool") >= 1


def test_thinking_before_a_format_does_not_push_the_prompt_out(server: Server, small: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
    options = {"num_predict": -1, "ignore_eos": True, "logit_bias": {"</think>": False}}
    answer = chat(server, user("What is 3 + 4?"), small, think=True, format=schema, options=options)
    assert answer["done_reason"] == "length"
    assert answer["message"]["thinking"]
    assert answer["message"]["content"] == ""
    assert answer["prompt_eval_count"] + answer["eval_count"] < CONTEXT


def test_shift_false_ends_the_answer_with_the_context(server: Server, small: str) -> None:
    options = {"num_predict": 300, "ignore_eos": True}
    ended = chat(server, user("Hello"), small, shift=False, options=options)
    assert ended["done_reason"] == "length"
    assert ended["prompt_eval_count"] + ended["eval_count"] == CONTEXT
    assert chat(server, user("Hello"), small, options=options)["eval_count"] == 300


def test_a_smaller_context_than_the_loaded_one_holds_for_its_request(server: Server) -> None:
    model = make(server, "roomy", parameters={"num_ctx": 2 * CONTEXT})
    assert chat(server, user("Hello"), model, options=SHORT)["done"]
    limited = {"num_ctx": CONTEXT, "num_predict": 1000, "ignore_eos": True}
    answer = chat(server, user("Hello"), model, shift=False, options=limited)
    assert (answer["done_reason"], answer["prompt_eval_count"] + answer["eval_count"]) == ("length", CONTEXT)
    assert chat(server, LONG, model, options=limited | SHORT)["context_length"] == CONTEXT
    assert server.loaded()[f"{model}:latest"]["context_length"] == 2 * CONTEXT


def test_context_in_force_is_shown(server: Server, small: str) -> None:
    chat(server, user("Hello"), small, options=SHORT)
    assert server.loaded()[f"{small}:latest"]["context_length"] == CONTEXT


def test_default_context_is_the_model_s_own(serve: Serve) -> None:
    server = serve({"OLLAMA_CONTEXT_LENGTH": "0"})
    info = server.ask("/api/show", {"model": "cria"})["model_info"]
    chat(server, user("Hello"), options=SHORT)
    assert server.loaded()["cria:latest"]["context_length"] == info["llama.context_length"]


def test_raw_prompt_keeps_its_beginning_and_its_end(server: Server) -> None:
    model = make(server, "small-engine", parameters={"num_ctx": CONTEXT})
    words = " ".join(f"w{index}" for index in range(300))
    body = {"model": model, "prompt": words, "raw": True, "stream": False}
    for keep in (0, 40):
        answer = server.ask("/api/generate", body | {"options": {"num_predict": 1, "num_keep": keep}})
        assert answer["prompt_truncated"] is True
        assert answer["prompt_eval_count"] == CONTEXT - 1
        assert answer["dropped_messages"] == 0
        assert answer["context_length"] == CONTEXT
        whole, _ = counts(refusal(server, "/api/generate", **body | {"truncate": False}))
        assert answer["dropped_tokens"] == whole - (CONTEXT - 1)


def test_gap_between_long_texts_is_cut_where_it_is_far_away(server: Server) -> None:
    model = make(server, "small-engine", parameters={"num_ctx": CONTEXT})
    words = " ".join(f"w{index}" for index in range(300))
    body = {"model": model, "prompt": f"FIRST {words} BEFORE", "suffix": f"AFTER {words} LAST", "stream": False}
    answer = server.ask("/api/generate", body | {"options": SHORT})
    assert answer["prompt_truncated"] is True
    assert answer["prompt_eval_count"] < CONTEXT
    prompt = server.ask("/api/generate", body | {"_debug_render_only": True})["_debug_info"]["rendered_template"]
    assert "BEFORE" in prompt
    assert "AFTER" in prompt
    assert "FIRST" not in prompt
    assert "LAST" not in prompt
    whole, context = counts(refusal(server, "/api/generate", **body | {"truncate": False}))
    assert (context, whole) == (CONTEXT, answer["prompt_eval_count"] + answer["dropped_tokens"])


def test_model_says_whether_to_truncate_and_the_request_wins(server: Server) -> None:
    model = make(server, "strict", parameters={"num_ctx": CONTEXT, "truncate": False})
    counts(refusal(server, "/api/chat", model=model, messages=LONG))
    assert chat(server, LONG, model, truncate=True, options=SHORT)["prompt_truncated"] is True
    server.ask("/api/generate", {"model": model, "keep_alive": 0})


def test_setting_says_whether_to_truncate_and_model_and_request_win(serve: Serve) -> None:
    server = serve({"PUNA_TRUNCATE": "false", "OLLAMA_CONTEXT_LENGTH": str(CONTEXT)})
    counts(refusal(server, "/api/chat", messages=LONG))
    counts(refusal(server, "/api/embed", input="one two three " * 200))
    assert chat(server, LONG, truncate=True, options=SHORT)["prompt_truncated"] is True
    lenient = make(server, "lenient", parameters={"truncate": True})
    assert chat(server, LONG, lenient, options=SHORT)["prompt_truncated"] is True
    counts(refusal(server, "/api/chat", model=lenient, messages=LONG, truncate=False))


def test_embedding_cuts_or_refuses(server: Server) -> None:
    model = make(server, "small-engine", parameters={"num_ctx": CONTEXT})
    body = {"model": model, "input": ["short", "one two three " * 200]}
    answer = server.ask("/api/embed", body)
    assert len(answer["embeddings"]) == 2
    assert CONTEXT <= answer["prompt_eval_count"] < CONTEXT + 16
    assert counts(refusal(server, "/api/embed", **body, truncate=False))[1] == CONTEXT
    assert len(server.ask("/api/embed", body | {"input": "short", "truncate": False})["embeddings"]) == 1
