"""smolagents: an agent that calls tools, by two of its kinds of models."""

import os

import pytest
from smolagents import LiteLLMModel, OpenAIModel, ToolCallingAgent, tool

URL = os.environ["PUNA_URL"]


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: the city
    """
    return "sunny"


@pytest.mark.parametrize("kind", ["openai", "litellm"])
def test_model(kind):
    model = (
        OpenAIModel("cria", api_base=f"{URL}/v1", api_key="x", max_tokens=60, temperature=0)
        if kind == "openai"
        else LiteLLMModel("ollama_chat/cria", api_base=URL, max_tokens=60, temperature=0)
    )
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is the weather in Lhasa?"}]}]
    assert model(messages).content
    assert "".join(delta.content or "" for delta in model.generate_stream(messages))


def test_agent():
    model = OpenAIModel("cria", api_base=f"{URL}/v1", api_key="x", max_tokens=200, temperature=0)
    agent = ToolCallingAgent(tools=[get_weather], model=model, max_steps=2)
    steps = list(agent.run("What is the weather in Lhasa?", stream=True))
    assert any(getattr(step, "tool_calls", None) for step in steps)
