"""A response: what comes back, streamed and not, by the official client and its types."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.openai_responses.shapes import Streamed, refusal, streamed, text_of, whole
from tests.server import Server

import openai
from openai import OpenAI

QUESTION = "What is 2+2?"
CODEX = json.loads((Path(__file__).parent / "codex.json").read_text())


def test_official_client_gets_an_answer(client: OpenAI) -> None:
    response = client.responses.create(model="cria", input=QUESTION, temperature=0)
    assert response.status == "completed"
    assert response.output_text
    assert response.error is None
    usage = response.usage
    assert usage is not None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens > usage.input_tokens_details.cached_tokens >= 0


def test_official_client_streams(client: OpenAI) -> None:
    with client.responses.stream(model="cria", input=QUESTION, temperature=0) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert said == final.output_text
    assert final.status == "completed"


@pytest.mark.parametrize("path", ["/v1/responses", "/openai/v1/responses", "/responses"])
def test_stream_has_the_events_of_a_message_in_order(server: Server, path: str) -> None:
    found = streamed(server, {"model": "cria", "input": QUESTION, "max_output_tokens": 30}, path)
    begin = ["created", "in_progress", "output_item.added", "content_part.added"]
    end = ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert found.types[:4] == begin
    assert found.types[-4:] == end
    assert set(found.types[4:-4]) == {"output_text.delta"}
    assert found.deltas("output_text") == text_of(found.response)
    assert text_of(whole(server, input=QUESTION, max_output_tokens=30)) == text_of(found.response)


def test_length_makes_it_incomplete(server: Server) -> None:
    found = streamed(server, {"model": "cria", "input": "Tell me a story.", "max_output_tokens": 3})
    for response in (found.response, whole(server, input="Tell me a story.", max_output_tokens=3)):
        assert response["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert response["output"][-1]["status"] == "incomplete"
        assert response["usage"]["output_tokens"] == 3
    assert found.types[-1] == "incomplete"


def test_what_was_asked_is_said_back(server: Server) -> None:
    asked = {
        "instructions": "Be brief.",
        "max_output_tokens": 8,
        "top_p": 0.5,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "user": "u",
        "truncation": "auto",
        "max_tool_calls": 3,
        "service_tier": "flex",
        "store": False,
    }
    response = whole(server, input=QUESTION, **asked)
    assert {name: response[name] for name in asked} == asked
    assert response["temperature"] == 0


def test_instructions_and_developer_messages_are_one_system_message(server: Server) -> None:
    items = [
        {"role": "developer", "content": "b"},
        {"role": "system", "content": "c"},
        {"role": "user", "content": "d"},
    ]
    together = [{"role": "system", "content": "a\n\nb\n\nc"}, {"role": "user", "content": "d"}]
    ask = {"max_output_tokens": 1}
    first = whole(server, instructions="a", input=items, **ask)
    second = whole(server, input=together, **ask)
    assert first["usage"]["input_tokens"] == second["usage"]["input_tokens"]
    assert second["usage"]["input_tokens_details"]["cached_tokens"] > 0


def test_format_binds_the_answer(client: OpenAI) -> None:
    class Person(BaseModel):
        name: str
        age: int

    parsed = client.responses.parse(model="cria", input="Anna is 30.", text_format=Person, max_output_tokens=200)
    assert isinstance(parsed.output_parsed, Person)


def test_json_object(server: Server) -> None:
    response = whole(server, input="Anna is 30.", text={"format": {"type": "json_object"}}, max_output_tokens=200)
    assert isinstance(json.loads(text_of(response)), dict)


def test_log_probabilities(server: Server) -> None:
    asked = {"input": QUESTION, "max_output_tokens": 4, "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    found = streamed(server, {"model": "cria", **asked})
    (item,) = whole(server, **asked)["output"]
    part = item["content"][0]
    assert len(part["logprobs"]) == 4
    assert all(len(one["top_logprobs"]) == 2 for one in part["logprobs"])
    assert "".join(one["token"] for one in part["logprobs"]) == part["text"]
    told = [one for event in found.events if event["type"].endswith("text.delta") for one in event["logprobs"]]
    assert len(told) == 4


def test_options_of_ours_are_obeyed(server: Server) -> None:
    body = {"model": "cria", "input": QUESTION, "options": {"num_predict": 2}, "num_ctx": 512, "keep_alive": "5m"}
    assert server.ask("/v1/responses", body)["usage"]["output_tokens"] == 2
    stopped = whole(server, input=QUESTION, stop=["4", "3", "="], max_output_tokens=30)
    assert not set("43=") & set(text_of(stopped))


def test_overflow_is_an_error_in_words_that_agents_know(server: Server) -> None:
    long = "word " * 3000
    error = refusal(server, input=long, num_ctx=256)
    assert error["code"] == "context_length_exceeded"
    assert "prompt is too long" in error["message"]
    items = [{"role": "user", "content": long}, {"role": "user", "content": "Hello"}]
    response = whole(server, input=items, num_ctx=256, truncation="auto", max_output_tokens=4)
    assert response["dropped_messages"] >= 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"prompt": {"id": "p"}}, "prompt: no prompts are kept here"),
        ({"moderation": {"model": "m"}}, "moderation: nothing here judges texts"),
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"max_output_tokens": 0}, "max_output_tokens must be at least 1"),
        ({"service_tier": "x"}, "service_tier must be one of"),
        ({"truncation": "x"}, "truncation must be one of auto, disabled"),
        ({"reasoning": {"summary": "x"}}, "reasoning.summary must be one of"),
        ({"reasoning": {"effort": "x"}}, "reasoning.effort must be one of"),
        ({"text": {"verbosity": "x"}}, "text.verbosity must be one of"),
        ({"text": {"format": {"type": "x"}}}, "text.format.type must be"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata has more than 16 entries"),
        ({"input": []}, "input is required"),
        ({"input": 5}, "input must be a string or"),
        ({"model": ""}, "model is required"),
        ({"temperature": -1}, "temperature"),
        ({"background": True, "store": False}, "background: "),
        ({"previous_response_id": "a", "conversation": "b"}, "cannot be used together"),
    ],
)
def test_what_is_wrong_is_named(server: Server, body: dict[str, Any], words: str) -> None:
    error = refusal(server, **body)
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"


def test_unknown_model(server: Server, client: OpenAI) -> None:
    assert refusal(server, 404, model="nope")["message"] == "model 'nope' not found"
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nope", input="x")


def test_what_has_no_effect_is_said(server: Server) -> None:
    body = {
        "model": "cria",
        "input": "Hello",
        "max_output_tokens": 1,
        "prompt_cache_retention": "24h",
        "tools": [{"type": "web_search"}],
        "nonsense": 1,
    }
    response = server.post("/v1/responses", body)
    assert response.headers["Puna-Ignored"] == "prompt_cache_retention, tools.web_search, nonsense"
    assert "without effect here: prompt_cache_retention" in server.log()
    assert (
        "Puna-Ignored"
        not in server.post("/v1/responses", {"model": "cria", "input": "a", "max_output_tokens": 1}).headers
    )


def shorter(value: Any, most: int = 60) -> Any:
    """Return a body with its long texts cut, which would take minutes to read."""
    if isinstance(value, str):
        return value[:most]
    if isinstance(value, list):
        return [shorter(item, most) for item in value]
    return {name: shorter(item, most) for name, item in value.items()} if isinstance(value, dict) else value


def test_request_of_codex_as_it_was_recorded(server: Server, roomy: str) -> None:
    body = CODEX["body"] | {"model": roomy}
    counted = server.post("/v1/responses/input_tokens", body, headers=CODEX["headers"] | {"accept-encoding": "gzip"})
    assert counted.json()["input_tokens"] > 10_000
    assert "tools.web_search" in counted.headers["Puna-Ignored"]
    assert refusal(server, input=body["input"], tools=body["tools"])["code"] == "context_length_exceeded"


def test_codex_gets_its_calls_back_with_their_namespace(roomy: str, writing: Callable[..., Streamed]) -> None:
    call = '<tool_call>\n{"name":"multi_agent_v1__close_agent","arguments":{"target":"a"}}\n</tool_call>'
    body = shorter({name: value for name, value in CODEX["body"].items() if name != "model"}, 40)
    body["tools"] = [tool for tool in body["tools"] if tool["type"] != "function"]
    body["tools"][0] |= {"tools": body["tools"][0]["tools"][:1]}
    found = writing(call, **body | {"reasoning": {"effort": "none"}}, model=roomy)
    (item,) = found.response["output"]
    assert (item["type"], item.get("namespace"), item["name"]) == ("function_call", "multi_agent_v1", "close_agent")
    assert json.loads(item["arguments"]) == {"target": "a"}
    assert found.response["store"] is False


def test_second_turn_of_an_agent_is_read_from_the_cache(server: Server, roomy: str) -> None:
    body = shorter(CODEX["body"]) | {"model": roomy, "max_output_tokens": 8, "tools": CODEX["body"]["tools"][1:2]}
    first = streamed(server, body).response
    items = [*body["input"], *first["output"], {"role": "user", "content": "On."}]
    usage = streamed(server, body | {"input": items}).response["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] >= first["usage"]["input_tokens"] - 2
