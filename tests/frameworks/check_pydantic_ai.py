"""pydantic-ai through its providers for OpenAI's two routes, Ollama and Anthropic."""

import os

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider

URL = os.environ["PUNA_URL"]
OPENAI = OpenAIProvider(base_url=f"{URL}/v1", api_key="x")
MODELS = {
    "chat": OpenAIChatModel("cria", provider=OPENAI),
    "responses": OpenAIResponsesModel("cria", provider=OPENAI),
    "ollama": OpenAIChatModel("cria", provider=OllamaProvider(base_url=f"{URL}/v1")),
    "anthropic": AnthropicModel("cria", provider=AnthropicProvider(base_url=URL, api_key="x")),
}
SETTINGS = {"temperature": 0.0, "max_tokens": 200}


class Sum(BaseModel):
    """The sum of two numbers."""

    total: int


@pytest.mark.parametrize("name", MODELS)
async def test_text(name):
    agent = Agent(MODELS[name], model_settings=SETTINGS)
    assert (await agent.run("Why is the sky blue?")).output
    async with agent.run_stream("Why is the sky blue?") as result:
        assert [text async for text in result.stream_text()]


@pytest.mark.parametrize("name", MODELS)
async def test_outputs(name):
    for output in (ToolOutput(Sum), NativeOutput(Sum)):
        if name == "anthropic" and isinstance(output, NativeOutput):
            continue
        agent = Agent(MODELS[name], output_type=output, model_settings=SETTINGS, retries=0)
        assert isinstance((await agent.run("What is 3 + 4?")).output, Sum)


@pytest.mark.parametrize("name", MODELS)
async def test_tools(name):
    seen = []

    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        seen.append(city)
        return "sunny"

    await Agent(MODELS[name], tools=[get_weather], model_settings=SETTINGS).run("What is the weather in Lhasa?")
    assert seen
