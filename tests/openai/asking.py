"""What the tests of this dialect share: chats by the official client, streams as they are sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.server import Server

import openai
from openai import OpenAI

SKY = "Why is the sky blue?"
GREEDY = {"temperature": 0}


def user(text: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def chat(client: OpenAI, text: Any = SKY, **fields: Any) -> ChatCompletion:
    """Return an answer of the built-in model, at temperature 0 and of at most 12 tokens unless ``fields`` differ."""
    asked: dict[str, Any] = {"model": "cria", "messages": user(text), "max_tokens": 12, **GREEDY} | fields
    answer: ChatCompletion = client.chat.completions.create(**asked)
    return answer


def said(client: OpenAI, text: Any = SKY, **fields: Any) -> str:
    """Return the text of an answer."""
    return chat(client, text, **fields).choices[0].message.content or ""


def stream(client: OpenAI, text: Any = SKY, **fields: Any) -> list[ChatCompletionChunk]:
    """Return the chunks of an answer."""
    asked: dict[str, Any] = {"model": "cria", "messages": user(text), "max_tokens": 12, **GREEDY} | fields
    return list(client.chat.completions.create(**asked, stream=True))


def pieces(server: Server, path: str, body: dict[str, Any]) -> list[Any]:
    """Return the events of a stream as they are sent, read as JSON; the last must be the word that ends it."""
    response = server.post(path, {"model": "cria", "stream": True, "max_tokens": 12, **GREEDY} | body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, end, nothing = response.content.split(b"\n\n")
    assert (end, nothing) == (b"data: [DONE]", b"")
    assert all(event.startswith(b"data: {") and b"\n" not in event for event in events)
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


@contextmanager
def refused(param: str | None = None, match: str | None = None, status: int = 400) -> Iterator[None]:
    """Expect an error of this status that names the field ``param``."""
    with pytest.raises(openai.APIStatusError, match=match) as caught:
        yield
    assert caught.value.status_code == status
    assert caught.value.param == param
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
