"""What the tests of Anthropic's dialect share: bodies, and answers read by the official package's own types."""

import json
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter
from tests.server import Server

URL = "/v1/messages"
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
WEATHER = {
    "name": "get_weather",
    "description": "Tell the weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKS_WEATHER = "What is the weather in Lhasa?"
SKY = "Why is the sky blue?"


def said(text: str = SKY, **body: Any) -> dict[str, Any]:
    """Return a body with one question, answered at temperature 0 and without thoughts unless it says otherwise."""
    usual = {"model": "cria", "max_tokens": 60, "temperature": 0, "thinking": {"type": "disabled"}}
    return usual | {"messages": [{"role": "user", "content": text}]} | body


def for_client(body: dict[str, Any]) -> Any:
    """Return a body as arguments of the official client, which has no words for all of its fields."""
    extra = {name: body[name] for name in body if name in ("temperature", "num_ctx")}
    return {name: value for name, value in body.items() if name not in extra} | {"extra_body": extra}


def ask(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that is not streamed, which the package's types take as it is."""
    response = server.post(URL, body)
    assert response.status_code == 200, response.text
    Message.model_validate_json(response.content, strict=True)
    answer: dict[str, Any] = response.json()
    return answer


def events(server: Server, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a streamed answer but pings, each checked: its bytes, its name, its type."""
    response = server.post(URL, body | {"stream": True})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    found = []
    assert response.text.endswith("\n\n")
    for piece in response.text[:-2].split("\n\n"):
        name, data = piece.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        event = json.loads(data.removeprefix("data: "))
        assert event["type"] == name.removeprefix("event: ")
        if event["type"] == "ping":
            assert event == {"type": "ping"}
        else:
            EVENT.validate_json(data.removeprefix("data: "), strict=True)
            found.append(event)
    return found


def put_together(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that a stream's events make, with the order of its events checked."""
    first, *middle, delta, stop = found
    assert (first["type"], delta["type"], stop) == ("message_start", "message_delta", {"type": "message_stop"})
    message: dict[str, Any] = first["message"] | delta["delta"]
    message["usage"] = message["usage"] | delta["usage"]
    blocks: list[dict[str, Any]] = []
    texts: list[str] = []
    is_open = False
    for event in middle:
        if event["type"] == "content_block_start":
            assert not is_open
            assert event["index"] == len(blocks)
            blocks.append(dict(event["content_block"]))
            texts, is_open = [], True
        elif event["type"] == "content_block_delta":
            assert is_open
            assert event["index"] == len(blocks) - 1
            kind, block = event["delta"]["type"], blocks[-1]
            if kind == "input_json_delta":
                texts.append(event["delta"]["partial_json"])
            else:
                field = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}[kind]
                block[field] += event["delta"][field]
        else:
            assert event == {"type": "content_block_stop", "index": len(blocks) - 1}
            is_open = False
            if blocks[-1]["type"] == "tool_use" and texts:
                blocks[-1]["input"] = json.loads("".join(texts))
    assert not is_open
    return message | {"content": blocks}


def ask_stream(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Return a streamed answer in the form of a whole one."""
    return put_together(events(server, body))


def refused(server: Server, body: dict[str, Any], status: int = 400, path: str = URL) -> str:
    """Return why a request is refused, streamed and not, in Anthropic's shape."""
    response = server.post(path, body)
    assert response.status_code == status, response.text
    error = response.json()
    assert error["type"] == "error"
    assert error["request_id"] == response.headers["request-id"]
    if status == 400:
        assert error["error"]["type"] == "invalid_request_error"
    streamed = server.post(path, body | {"stream": True})
    assert (streamed.status_code, streamed.json()["error"]) == (status, error["error"])
    message: str = error["error"]["message"]
    return message


def counted(server: Server, body: dict[str, Any]) -> int:
    """Return the exact count of a body's prompt."""
    response = server.post(f"{URL}/count_tokens", {name: body[name] for name in body if name != "max_tokens"})
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"input_tokens"}
    count: int = response.json()["input_tokens"]
    return count


def prompt_tokens(answer: dict[str, Any]) -> int:
    """Return how many tokens the prompt of an answer had, read and cached."""
    usage = answer["usage"]
    total: int = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    return total
