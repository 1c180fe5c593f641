"""What the tests of prompts share: tools, questions, and the answer to a chat whole or put together from its stream."""

from pathlib import Path
from typing import Any

from tests.server import Server

GO_TEMPLATE = (Path(__file__).parent / "templates" / "cria.gotmpl").read_text()
"""The built-in model's own format, written in Go's template language."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {"city": {"type": "string", "description": "City name"}},
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers",
        "parameters": {
            "type": "object",
            "required": ["a", "b"],
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        },
    },
}
BOOK = {
    "type": "function",
    "function": {
        "description": "Book a trip",
        "name": "book",
        "parameters": {
            "properties": {
                "travellers": {"minItems": 1, "items": {"$ref": "#/$defs/traveller"}, "type": "array"},
                "class": {"enum": ["economy", "business"], "type": "string"},
                "when": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "a day"},
                "extras": {
                    "type": "object",
                    "properties": {"window": {"type": "boolean"}, "bags": {"type": ["integer", "null"]}},
                },
            },
            "required": ["travellers"],
            "type": "object",
            "$defs": {"traveller": {"type": "object", "properties": {"name": {"type": "string"}}}},
        },
    },
}


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def chat(server: Server, messages: list[dict[str, Any]], model: str = "cria", **body: Any) -> dict[str, Any]:
    """Return the whole answer, at temperature 0 unless ``options`` say otherwise."""
    asked = {"model": model, "messages": messages, "stream": False, **_greedy(body)}
    return server.ask("/api/chat", asked)


def chat_stream(server: Server, messages: list[dict[str, Any]], model: str = "cria", **body: Any) -> dict[str, Any]:
    """Return a streamed answer put together in the form of a whole one; ``pieces`` are its parts."""
    asked = {"model": model, "messages": messages, **_greedy(body)}
    *pieces, last = server.stream("/api/chat", asked)
    parts = [piece["message"] for piece in [*pieces, last]]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(part["content"] for part in parts)}
    if thinking := "".join(part.get("thinking", "") for part in parts):
        message["thinking"] = thinking
    if calls := [call for part in parts for call in part.get("tool_calls", [])]:
        message["tool_calls"] = calls
    return last | {"message": message, "pieces": pieces}


def rendered(server: Server, messages: list[dict[str, Any]], model: str = "cria", **body: Any) -> str:
    """Return the prompt that a chat request becomes."""
    answer = chat(server, messages, model, _debug_render_only=True, **body)
    text: str = answer["_debug_info"]["rendered_template"]
    return text


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose calls have no ids, which are random."""
    if "tool_calls" not in message:
        return message
    return message | {"tool_calls": [call["function"] for call in message["tool_calls"]]}


def refusal(server: Server, path: str, **body: Any) -> str:
    """Return the error of a request, which must be the same status 400 streamed and not."""
    texts = set()
    for stream in (True, False):
        response = server.post(path, {"model": "cria", "stream": stream, **body})
        assert response.status_code == 400, response.text
        texts.add(response.json()["error"])
    assert len(texts) == 1
    return texts.pop()


def make(server: Server, name: str, **recipe: Any) -> str:
    """Make a model from the built-in one, unless it is there, and return its name."""
    server.ask("/api/create", {"model": name, "from": "cria", "stream": False} | recipe)
    return name


def _greedy(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"options": {"temperature": 0, "num_predict": 80} | body.get("options", {})}
