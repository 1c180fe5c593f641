"""LlamaIndex through its packages for each dialect."""

import os

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.ollama import OllamaEmbedding
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

URL = os.environ["PUNA_URL"]
MODELS = {
    "ollama": Ollama(model="cria", base_url=URL, context_window=2048, temperature=0),
    "openai": OpenAILike(
        model="cria",
        api_base=f"{URL}/v1",
        api_key="x",
        is_chat_model=True,
        is_function_calling_model=True,
        temperature=0,
        max_tokens=100,
    ),
}
MESSAGES = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Why is the sky blue?")]


class Sum(BaseModel):
    """The sum of two numbers."""

    total: int


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return "sunny"


@pytest.mark.parametrize("name", MODELS)
def test_text(name):
    model = MODELS[name]
    whole = str(model.chat(MESSAGES).message.content)
    assert whole
    assert "".join(piece.delta or "" for piece in model.stream_chat(MESSAGES)) == whole
    assert str(model.complete("The sky is"))


@pytest.mark.parametrize("name", MODELS)
async def test_later(name):
    assert (await MODELS[name].achat(MESSAGES)).message.content


@pytest.mark.parametrize("name", MODELS)
def test_calls(name):
    tools = [FunctionTool.from_defaults(get_weather)]
    response = MODELS[name].chat_with_tools(tools, user_msg="What is the weather in Lhasa?")
    assert MODELS[name].get_tool_calls_from_response(response)[0].tool_name == "get_weather"


def test_format():
    assert isinstance(MODELS["ollama"].as_structured_llm(Sum).complete("What is 3 + 4?").raw, Sum)


def test_embeddings():
    assert OllamaEmbedding(model_name="cria", base_url=URL).get_text_embedding("a")
