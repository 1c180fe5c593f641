"""What comes back, as the official package's own types have it, and in the order of its documentation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.e2e import prompting
from tests.server import Server

_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ENDS = ("response.completed", "response.incomplete", "response.failed")
WEATHER: dict[str, Any] = {"type": "function", **prompting.WEATHER["function"]}  # type: ignore[dict-item]


def checked(response: dict[str, Any]) -> Response:
    """Return a response as the official type."""
    return Response.model_validate(response, strict=True)


@dataclass
class Streamed:
    """The events of a stream, the response that the last one has, and the headers."""

    events: list[dict[str, Any]]
    headers: Mapping[str, str]

    @property
    def response(self) -> dict[str, Any]:
        response: dict[str, Any] = self.events[-1]["response"]
        return response

    @property
    def types(self) -> list[str]:
        return [event["type"].removeprefix("response.") for event in self.events]

    def deltas(self, kind: str) -> str:
        return "".join(event["delta"] for event in self.events if event["type"] == f"response.{kind}.delta")


def streamed(server: Server, body: dict[str, Any], path: str = "/v1/responses") -> Streamed:
    """Return the events of a streamed answer, each checked."""
    response = server.post(path, {"stream": True, "temperature": 0, **body})
    return read(response)


def read(response: requests.Response, first: int = 0, *, whole: bool = True) -> Streamed:
    """Return the events of a response, each checked, and the order of all of them, from the ``first`` on.

    One that is not ``whole`` was broken off, and its items need have no end.
    """
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in response.content.decode().split("\n\n") if block and not block.startswith(":")]
    events = []
    for block in blocks:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return in_order(events, response.headers, first, whole=whole)


def in_order(
    events: list[dict[str, Any]], headers: Mapping[str, str] | None = None, first: int = 0, *, whole: bool = True
) -> Streamed:
    """Return events of which each is what its type says, in an order that makes sense."""
    for event in events:
        parsed = _EVENTS.validate_python(event, strict=True)
        assert parsed.type == event["type"]
    assert [event["sequence_number"] for event in events] == list(range(first, first + len(events)))
    assert [event["type"] in ENDS for event in events] == [False] * (len(events) - 1) + [True]
    if first == 0 and whole:
        _items_grow(events)
    return Streamed(events, headers or {})


def _items_grow(events: list[dict[str, Any]]) -> None:
    """Items and parts begin, grow and end one after another, and the response has what was told of them."""
    done: list[dict[str, Any]] = []
    open_item: dict[str, Any] | None = None
    said: dict[str, str] = {}
    for event in events:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert open_item is None
            assert event["output_index"] == len(done)
            open_item, said = event["item"], {}
        elif kind == "output_item.done":
            assert open_item is not None
            assert event["item"]["id"] == open_item["id"]
            done.append(event["item"])
            open_item = None
        elif kind.endswith(".delta"):
            assert open_item is not None
            assert event["item_id"] == open_item["id"]
            name = kind.removesuffix(".delta")
            said[name] = said.get(name, "") + event["delta"]
        elif kind.endswith(("text.done", "arguments.done", "input.done")):
            whole = event.get("text", event.get("arguments", event.get("input")))
            assert whole == said.get(kind.removesuffix(".done"), "" if "arguments" not in kind else whole)
    assert open_item is None
    assert events[-1]["response"]["output"] == done


def whole(server: Server, **body: Any) -> dict[str, Any]:
    """Return a response that was not streamed, checked."""
    response = server.ask("/v1/responses", {"model": "cria", "temperature": 0, **body})
    checked(response)
    return response


def refusal(server: Server, status: int = 400, path: str = "/v1/responses", **body: Any) -> dict[str, Any]:
    """Return the error of a request, which must be the same streamed and not."""
    errors = []
    for stream in (True, False):
        response = server.post(path, {"model": "cria", "input": "Hello", "stream": stream, **body})
        assert response.status_code == status, response.text
        errors.append(response.json()["error"])
    assert errors[0] == errors[1]
    error: dict[str, Any] = errors[0]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def text_of(response: dict[str, Any]) -> str:
    """Return what a response says."""
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])
