"""What a model begins conversations with (SYSTEM, MESSAGE) holds in every dialect."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.inference.world import model_of

from puna.api.anthropic.schemas import MessagesBody
from puna.api.anthropic.translate import Around
from puna.api.anthropic.translate import generation_request as of_anthropic
from puna.api.ollama import translate as of_ollama
from puna.api.ollama.schemas import ChatBody as OllamaChat
from puna.api.ollama.schemas import GenerateBody
from puna.api.openai.responses.schemas import ResponsesBody
from puna.api.openai.responses.translate import asked_of as of_responses
from puna.api.openai.schemas import ChatBody as OpenAIChat
from puna.api.openai.to_request import chat_request as of_openai
from puna.api.parts import MediaReader
from puna.api.tool_order import ToolOrder
from puna.errors import BadRequestError
from puna.inference.options import Options
from puna.inference.requests import Conversation, GenerationRequest
from puna.models.model import Model
from puna.settings import Settings

UNUSED: Any = None
"""What seals texts: none is sealed here."""
ITEM = {"type": "message", "role": "user", "content": "hi"}


def messages(system: str) -> list[dict[str, str]]:
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": "hi"}]


async def generate(model: Model, system: str) -> GenerationRequest:
    return of_ollama.generate_request(model, GenerateBody(model="m", prompt="hi", system=system), Options())


async def ollama_chat(model: Model, system: str) -> GenerationRequest:
    body = OllamaChat.model_validate({"model": "m", "messages": messages(system)})
    return of_ollama.chat_request(model, body, Options())


async def openai_chat(model: Model, system: str) -> GenerationRequest:
    body = OpenAIChat.model_validate({"model": "m", "messages": messages(system)})
    return await of_openai(model, body, Options(), MediaReader(Settings.from_env({})))


async def openai_responses(model: Model, system: str) -> GenerationRequest:
    body = ResponsesBody(model="m", instructions=system)
    return of_responses(body, model, [ITEM], 0, UNUSED, {}).request


async def anthropic_messages(model: Model, system: str) -> GenerationRequest:
    body = MessagesBody.model_validate({"model": "m", "max_tokens": 5, "messages": messages("")} | {"system": system})
    return of_anthropic(model, body, Options(), Around(UNUSED, ToolOrder(), {}, can_think=False))


Ask = Callable[[Model, str], Awaitable[GenerationRequest]]
DIALECTS = [generate, ollama_chat, openai_chat, openai_responses, anthropic_messages]


async def told(ask: Ask, model: Model, system: str = "") -> list[tuple[str, str]]:
    asked = (await ask(model, system)).input
    assert isinstance(asked, Conversation)
    return [(message.role, message.content) for message in asked.messages]


@pytest.mark.parametrize("ask", DIALECTS)
async def test_a_model_has_its_system_message_unless_the_request_has_one(tmp_path: Path, ask: Ask) -> None:
    assert await told(ask, model_of(tmp_path)) == [("user", "hi")]
    brief = model_of(tmp_path, system="Be brief.")
    assert await told(ask, brief) == [("system", "Be brief."), ("user", "hi")]
    assert await told(ask, brief, "Be long.") == [("system", "Be long."), ("user", "hi")]


@pytest.mark.parametrize("ask", DIALECTS)
async def test_a_model_has_its_messages_before_those_of_the_request(tmp_path: Path, ask: Ask) -> None:
    own = ({"role": "user", "content": "2+2"}, {"role": "assistant", "content": "4"})
    model = model_of(tmp_path, system="Be brief.", messages=own)
    before = [("user", "2+2"), ("assistant", "4")]
    assert await told(ask, model) == [("system", "Be brief."), *before, ("user", "hi")]
    assert sorted(await told(ask, model, "Be long.")) == sorted([("system", "Be long."), *before, ("user", "hi")])


@pytest.mark.parametrize("ask", DIALECTS)
async def test_roles_of_its_messages_are_called_as_templates_call_them(tmp_path: Path, ask: Ask) -> None:
    model = model_of(tmp_path, messages=({"role": "developer", "content": "Be brief."},))
    assert await told(ask, model) == [("system", "Be brief."), ("user", "hi")]
    with pytest.raises(BadRequestError, match="invalid role"):
        await told(ask, model_of(tmp_path, messages=({"role": "nobody", "content": "x"},)))
