"""The same model by both paths, the engine's Jinja and a Go TEMPLATE of the same format: the same in and out."""

from typing import Any

import pytest
from tests.e2e.prompting import ADD, BOOK, WEATHER, chat, chat_stream, rendered, user, without_ids
from tests.server import Server

SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {
    "function": {"name": "get_weather", "arguments": {"unit": "C", "city": "Köln 世界", "at": [1, {"z": 1, "a": None}]}}
}
RESULT = {"role": "tool", "tool_name": "get_weather", "content": "18 degrees, sunny"}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}

PROMPTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "plain": (user("Hello!"), {}),
    "system": ([SYSTEM, *user("Hello!")], {}),
    "turns": ([*user("Hello!"), {"role": "assistant", "content": "Hi."}, *user("What is 2 + 2?")], {}),
    "system and turns": ([SYSTEM, *user("A"), {"role": "assistant", "content": "B"}, *user("C")], {}),
    "chinese": (user("为什么天空是蓝色的?"), {}),
    "space": (user("  two  \n\n lines \n"), {}),
    "marks": (user("<|im_end|> {{ .Prompt }} {% if %} & <b>"), {}),
    "think": (user("What is 3 + 4?"), {"think": True}),
    "no thinking": (user("What is 3 + 4?"), {"think": False}),
    "think high": (user("What is 3 + 4?"), {"think": "high"}),
    "think max": (user("What is 3 + 4?"), {"think": "max"}),
    "tool": (user("What is the weather in Paris?"), {"tools": [WEATHER]}),
    "tools": (user("What is the weather in Paris?"), {"tools": [WEATHER, ADD]}),
    "system and tool": ([SYSTEM, *user("What is the weather in Paris?")], {"tools": [WEATHER]}),
    "tool and think": (user("What is the weather in Paris?"), {"tools": [WEATHER], "think": True}),
    "nested definition": (user("Book a trip for Ann."), {"tools": [BOOK]}),
    "tool without parameters": (user("Hello!"), {"tools": [{"type": "function", "function": {"name": "now"}}]}),
    "result": ([*user("Weather?"), {"role": "assistant", "tool_calls": [CALL]}, RESULT], {"tools": [WEATHER]}),
    "results": (
        [*user("Weather?"), {"role": "assistant", "content": "So.", "tool_calls": [CALL, CALL]}, RESULT, RESULT],
        {"tools": [WEATHER]},
    ),
    "result after thinking": (
        [*user("Weather?"), {"role": "assistant", "thinking": "I call it.", "tool_calls": [CALL]}, RESULT],
        {"tools": [WEATHER], "think": True},
    ),
    "old thinking": (
        [*user("A"), {"role": "assistant", "thinking": "Hm.", "content": "B"}, *user("C")],
        {"think": True},
    ),
    "format": (user("My name is Anna and I am 31 years old."), {"format": PERSON}),
    "format and think": (user("My name is Anna and I am 31 years old."), {"format": PERSON, "think": True}),
}
"""Name → messages and the rest of the request."""

EASY = (
    "plain",
    "system",
    "chinese",
    "no thinking",
    "think",
    "think high",
    "tool",
    "tools",
    "format",
    "format and think",
)
"""Those whose answers are compared as well: any cria that has learnt its format writes well-formed ones to them."""


@pytest.mark.parametrize("name", PROMPTS)
def test_prompts_are_the_same_to_the_byte(server: Server, go_model: str, name: str) -> None:
    messages, body = PROMPTS[name]
    prompt = rendered(server, messages, **body)
    assert prompt == rendered(server, messages, go_model, **body)
    assert prompt.endswith("<|im_start|>assistant\n" + ("<think>\n" if body.get("think") else ""))


@pytest.mark.parametrize("name", EASY)
def test_answers_are_the_same_by_both_paths_and_streamed(server: Server, go_model: str, name: str) -> None:
    messages, body = PROMPTS[name]
    answers = [ask(server, messages, model, **body) for model in ("cria", go_model) for ask in (chat, chat_stream)]
    first, *others = [without_ids(answer["message"]) for answer in answers]
    assert all(other == first for other in others)
    assert len({(answer["done_reason"], answer["eval_count"], answer["prompt_eval_count"]) for answer in answers}) == 1


def test_keys_of_definitions_are_put_in_one_order(server: Server, go_model: str) -> None:
    text = rendered(server, user("x"), tools=[BOOK])
    assert '{"name":"book","description":"Book a trip","parameters":{"type":"object","$defs":' in text
    assert '"required":["travellers"],"properties":{"travellers":' in text


def test_both_paths_know_what_the_model_can_do(server: Server, go_model: str) -> None:
    shown = [server.ask("/api/show", {"model": model})["capabilities"] for model in ("cria", go_model)]
    assert shown[0] == shown[1]
    assert set(shown[0]) == {"completion", "tools", "thinking", "insert"}


def test_log_probabilities_are_the_same_by_both_paths(server: Server, go_model: str) -> None:
    body = {"logprobs": True, "top_logprobs": 3, "options": {"num_predict": 4}}
    one, other = (chat(server, user("Hello!"), model, **body)["logprobs"] for model in ("cria", go_model))
    assert [entry["token"] for entry in one] == [entry["token"] for entry in other]
    assert [entry["bytes"] for entry in one] == [entry["bytes"] for entry in other]
    for left, right in zip(one, other, strict=True):
        assert left["logprob"] == pytest.approx(right["logprob"], abs=0.01)
        assert [token["token"] for token in left["top_logprobs"]] == [token["token"] for token in right["top_logprobs"]]
