"""LiteLLM through three of its providers, streamed and not."""

import json
import os

import litellm
import pytest

URL = os.environ["PUNA_URL"]
PROVIDERS = {
    "openai": {"model": "openai/cria", "api_base": f"{URL}/v1", "api_key": "x"},
    "anthropic": {"model": "anthropic/cria", "api_base": URL, "api_key": "x"},
    "ollama": {"model": "ollama_chat/cria", "api_base": URL},
}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SKY = [{"role": "user", "content": "Why is the sky blue?"}]
WEATHER = [{"role": "user", "content": "What is the weather in Lhasa?"}]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_text(provider):
    asked = {**PROVIDERS[provider], "messages": SKY, "max_tokens": 12, "temperature": 0}
    whole = litellm.completion(**asked)
    assert whole.choices[0].message.content
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    chunks = list(litellm.completion(**asked, stream=True, stream_options={"include_usage": True}))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
def test_calls(provider, stream):
    asked = {**PROVIDERS[provider], "messages": WEATHER, "max_tokens": 100, "temperature": 0, "tools": [TOOL]}
    if provider != "ollama":
        asked |= {
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "parallel_tool_calls": False,
        }
    answer = litellm.completion(**asked, stream=stream)
    if stream:
        answer = litellm.stream_chunk_builder(list(answer), messages=WEATHER)
    calls = answer.choices[0].message.tool_calls
    assert calls[0].function.name == "get_weather"
    assert "city" in calls[0].function.arguments
    messages = [*WEATHER, answer.choices[0].message.model_dump(exclude_none=True)]
    messages += [
        {"role": "tool", "tool_call_id": call.id, "name": "get_weather", "content": "Sunny."} for call in calls
    ]
    asked.pop("tool_choice", None)
    assert litellm.completion(**asked | {"messages": messages}).choices[0].message


@pytest.mark.parametrize("provider", PROVIDERS)
def test_format(provider):
    schema = {
        "type": "object",
        "properties": {"total": {"type": "integer"}},
        "required": ["total"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "sum", "strict": True, "schema": schema}}
    answer = litellm.completion(**PROVIDERS[provider], messages=SKY, max_tokens=60, temperature=0, response_format=form)
    assert isinstance(json.loads(answer.choices[0].message.content)["total"], int)


@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_embeddings(provider):
    asked = PROVIDERS[provider] | {"model": PROVIDERS[provider]["model"].replace("ollama_chat", "ollama")}
    assert len(litellm.embedding(input=["a", "b"], **asked).data) == 2


def test_responses():
    answer = litellm.responses(**PROVIDERS["openai"], input="Why is the sky blue?", max_output_tokens=12)
    assert answer.output
    assert list(litellm.responses(**PROVIDERS["openai"], input="Why?", max_output_tokens=12, stream=True))


def test_other_routes():
    assert (
        litellm.text_completion(
            model="text-completion-openai/cria", api_base=f"{URL}/v1", api_key="x", prompt="The sky is", max_tokens=5
        )
        .choices[0]
        .text
    )
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(**PROVIDERS["openai"], messages=[{"role": "user", "content": "word " * 9000}])
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(**PROVIDERS["openai"] | {"model": "openai/nobody"}, messages=SKY)
