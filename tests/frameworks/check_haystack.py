"""Haystack, through its generators and embedders for each dialect."""

import os

import pytest
from haystack.components.embedders import OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret
from haystack_integrations.components.embedders.ollama import OllamaTextEmbedder
from haystack_integrations.components.generators.anthropic import AnthropicChatGenerator
from haystack_integrations.components.generators.ollama import OllamaChatGenerator

URL = os.environ["PUNA_URL"]
KEY = Secret.from_token("x")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Tell the weather of a city", PARAMETERS, lambda city: "sunny")


def generator(kind, **more):
    if kind == "ollama":
        return OllamaChatGenerator(
            model="cria", url=URL, generation_kwargs={"temperature": 0, "num_predict": 60}, **more
        )
    if kind == "openai":
        kwargs = {"temperature": 0, "max_tokens": 60}
        return OpenAIChatGenerator(
            model="cria", api_base_url=f"{URL}/v1", api_key=KEY, generation_kwargs=kwargs, **more
        )
    return AnthropicChatGenerator(model="cria", api_key=KEY, generation_kwargs={"max_tokens": 60}, **more)


@pytest.fixture(autouse=True)
def _anthropic(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", URL)


@pytest.mark.parametrize("kind", ["ollama", "openai", "anthropic"])
def test_chat(kind):
    said = []
    messages = [ChatMessage.from_system("Be brief."), ChatMessage.from_user("Why is the sky blue?")]
    whole = generator(kind).run(messages)["replies"][0]
    assert whole.text
    streamed = generator(kind, streaming_callback=lambda chunk: said.append(chunk.content)).run(messages)["replies"][0]
    assert streamed.text
    assert "".join(said).strip() == streamed.text.strip()


@pytest.mark.parametrize("kind", ["ollama", "openai", "anthropic"])
def test_calls(kind):
    messages = [ChatMessage.from_user("What is the weather in Lhasa?")]
    reply = generator(kind, tools=[WEATHER]).run(messages)["replies"][0]
    assert reply.tool_calls[0].tool_name == "get_weather"
    result = ChatMessage.from_tool(tool_result="sunny", origin=reply.tool_calls[0])
    assert generator(kind, tools=[WEATHER]).run([*messages, reply, result])["replies"]


def test_embedders():
    one = OpenAITextEmbedder(model="cria", api_base_url=f"{URL}/v1", api_key=KEY).run("a")["embedding"]
    other = OllamaTextEmbedder(model="cria", url=URL).run("a")["embedding"]
    assert len(one) == len(other)
