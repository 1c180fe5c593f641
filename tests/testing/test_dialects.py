"""Scripts, faults and what is asked, through the clients of the other dialects."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from tests.system import require_package

from puna.testing import Server, answer, call, cut, overflow, rate_limited, server_error

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
USER: Any = [{"role": "user", "content": "How is it in Lima?"}]
OPENAI_TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "Tell it.", "parameters": CITY}}
ANTHROPIC_TOOL: Any = {"name": "weather", "description": "Tell it.", "input_schema": CITY}


class Weather(BaseModel):
    city: str
    sunny: bool


@pytest.fixture
def openai_client(directed: Server) -> Iterator[Any]:
    require_package("openai", "clients")
    with directed.openai() as client:
        yield client


@pytest.fixture
def anthropic_client(directed: Server) -> Iterator[Any]:
    require_package("anthropic", "clients")
    with directed.anthropic() as client:
        yield client


def test_openai_answers(directed: Server, openai_client: Any) -> None:
    create = openai_client.chat.completions.create
    with directed.script(["Sunny.", answer("Look.", thinking="Hm.", calls=call("weather", {"city": "Lima"})), "Same."]):
        assert create(model="cria", messages=USER).choices[0].message.content == "Sunny."
        chunks = list(create(model="cria", messages=USER, tools=[OPENAI_TOOL], stream=True))
        both = create(model="cria", messages=USER, n=2)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Look."
    made = [made for delta in deltas for made in delta.tool_calls or ()]
    assert "".join(part.function.arguments or "" for part in made) == '{"city":"Lima"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert [choice.message.content for choice in both.choices] == ["Same.", "Same."]
    asked = directed.requests[1]
    assert (asked.dialect, asked.messages) == ("openai", USER)
    assert asked.tools == [OPENAI_TOOL["function"]]


def test_openai_structure(directed: Server, openai_client: Any) -> None:
    with directed.script(['{"city": "Lima", "sunny": true}']):
        reply = openai_client.chat.completions.parse(model="cria", messages=USER, response_format=Weather)
    assert reply.choices[0].message.parsed == Weather(city="Lima", sunny=True)


def test_openai_faults(directed: Server, openai_client: Any) -> None:
    import openai

    create = openai_client.chat.completions.create
    with directed.script([rate_limited(3), server_error(), overflow(), answer("A long story.", fault=cut())]):
        with pytest.raises(openai.RateLimitError) as limited:
            create(model="cria", messages=USER, stream=True)
        with pytest.raises(openai.InternalServerError, match="the model was lost"):
            create(model="cria", messages=USER)
        with pytest.raises(openai.BadRequestError) as too_long:
            create(model="cria", messages=USER)
        with pytest.raises(openai.APIConnectionError):
            list(create(model="cria", messages=USER, stream=True))
    assert limited.value.response.headers["retry-after"] == "3"
    assert too_long.value.code == "context_length_exceeded"


def test_anthropic_answers(directed: Server, anthropic_client: Any) -> None:
    asked: Any = {"model": "cria", "messages": USER, "max_tokens": 300, "system": "Be kind."}
    with directed.script(["Sunny.", answer("Look.", calls=call("weather", {"city": "Lima"}))]):
        assert anthropic_client.messages.create(**asked).content[0].text == "Sunny."
        with anthropic_client.messages.stream(**asked, tools=[ANTHROPIC_TOOL]) as stream:
            message = stream.get_final_message()
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert (message.content[0].text, message.content[1].input) == ("Look.", {"city": "Lima"})
    assert message.stop_reason == "tool_use"
    told = directed.requests[1]
    assert (told.dialect, told.messages) == ("anthropic", [{"role": "system", "content": "Be kind."}, *USER])
    assert told.tools[0]["name"] == "weather"
    assert told.tools[0]["parameters"]["properties"] == CITY["properties"]


def test_anthropic_faults(directed: Server, anthropic_client: Any) -> None:
    import anthropic

    asked: Any = {"model": "cria", "messages": USER, "max_tokens": 300}
    with directed.script([rate_limited(), server_error(), overflow(9120, 8192), answer("A story.", fault=cut())]):
        with pytest.raises(anthropic.RateLimitError):
            anthropic_client.messages.create(**asked)
        with pytest.raises(anthropic.InternalServerError, match="the model was lost"):
            anthropic_client.messages.create(**asked)
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 9120 tokens > 8192"):
            anthropic_client.messages.create(**asked)
        with pytest.raises(Exception, match="peer closed connection"):
            list(anthropic_client.messages.create(**asked, stream=True))
