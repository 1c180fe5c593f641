"""Frameworks that speak OpenAI's API, unmodified; each is skipped where it is not installed.

They leave sockets open, which the other tests take for faults of Puna, so they run by themselves:
``PUNA_TEST_CLIENTS=1 python -m pytest -m clients -W ignore``.
"""

import os
from typing import Any

import pytest
from pydantic import BaseModel
from tests.server import Server

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif("PUNA_TEST_CLIENTS" not in os.environ, reason="PUNA_TEST_CLIENTS is not set"),
]
QUESTION = "What is 3 + 4?"


class Sum(BaseModel):
    """The sum of two numbers."""

    total: int


def test_langchain(server: Server) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(model="cria", base_url=f"{server.url}/v1", api_key="x", temperature=0, max_tokens=60)
    whole = model.invoke(QUESTION)
    assert whole.content
    assert whole.usage_metadata["total_tokens"] > 0
    assert "".join(chunk.content for chunk in model.stream(QUESTION)) == whole.content
    assert isinstance(model.with_structured_output(Sum, method="json_schema").invoke(QUESTION), Sum)

    def get_weather(city: str) -> str:
        """Get the weather of a city"""
        return city

    (call,) = model.bind_tools([get_weather]).invoke("What is the weather in Lhasa?").tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Lhasa"})
    embeddings = langchain.OpenAIEmbeddings(
        model="cria", base_url=f"{server.url}/v1", api_key="x", check_embedding_ctx_length=False
    )
    assert len(embeddings.embed_documents(["a", "b"])) == 2


def test_litellm(server: Server) -> None:
    litellm: Any = pytest.importorskip("litellm")
    asked = {"model": "openai/cria", "api_base": f"{server.url}/v1", "api_key": "x", "max_tokens": 12}
    answer = litellm.completion(messages=[{"role": "user", "content": QUESTION}], **asked)
    assert answer.choices[0].message.content
    chunks = litellm.completion(messages=[{"role": "user", "content": QUESTION}], stream=True, **asked)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    vectors = litellm.embedding(input=["a"], **{name: asked[name] for name in ("model", "api_base", "api_key")})
    assert vectors.data[0]["embedding"]


async def test_pydantic_ai(server: Server) -> None:
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=f"{server.url}/v1", api_key="x")
    model = OpenAIChatModel("cria", provider=provider)
    assert (await Agent(model).run(QUESTION)).output
    assert isinstance((await Agent(model, output_type=NativeOutput(Sum)).run(QUESTION)).output, Sum)


def test_instructor(server: Server) -> None:
    instructor: Any = pytest.importorskip("instructor")
    from openai import OpenAI

    with OpenAI(base_url=f"{server.url}/v1", api_key="x") as usual:
        client = instructor.from_openai(usual, mode=instructor.Mode.JSON_SCHEMA)
        messages = [{"role": "user", "content": QUESTION}]
        made = client.chat.completions.create(model="cria", messages=messages, response_model=Sum, max_retries=0)
    assert isinstance(made, Sum)


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_dspy(server: Server, prefix: str) -> None:
    dspy: Any = pytest.importorskip("dspy")
    model = dspy.LM("openai/cria", api_base=server.url + prefix, api_key="x", max_tokens=20, cache=False)
    (answer,) = model(QUESTION)
    assert answer
