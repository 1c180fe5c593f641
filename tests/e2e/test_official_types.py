"""What comes back under ``/api``, taken strictly by the types of the official package."""

from collections.abc import Mapping
from typing import Any

import pytest
from ollama._types import (
    ChatResponse,
    EmbeddingsResponse,
    EmbedResponse,
    GenerateResponse,
    ListResponse,
    ProcessResponse,
    ProgressResponse,
    ShowResponse,
)
from tests.e2e.prompting import WEATHER
from tests.server import Server

SKY = [{"role": "user", "content": "Why is the sky blue?"}]
SHORT = {"temperature": 0, "num_predict": 12}
ASKED: list[tuple[str, type[Any], Mapping[str, Any]]] = [
    ("/api/generate", GenerateResponse, {"prompt": "Why is the sky blue?", "options": SHORT}),
    (
        "/api/generate",
        GenerateResponse,
        {"prompt": "x", "raw": True, "logprobs": True, "top_logprobs": 2, "options": SHORT},
    ),
    ("/api/generate", GenerateResponse, {"prompt": "What is 3 + 4?", "think": True, "options": {"num_predict": 80}}),
    ("/api/chat", ChatResponse, {"messages": SKY, "options": SHORT}),
    ("/api/chat", ChatResponse, {"messages": SKY, "format": "json", "options": {"num_predict": 40}}),
    ("/api/chat", ChatResponse, {"messages": SKY, "tools": [WEATHER], "tool_choice": "required"}),
    ("/api/chat", ChatResponse, {"messages": SKY, "logprobs": True, "options": SHORT}),
]


@pytest.mark.parametrize(("path", "kind", "fields"), ASKED)
def test_answers(server: Server, path: str, kind: type[Any], fields: Mapping[str, Any]) -> None:
    asked = {"model": "cria", **fields}
    kind.model_validate(server.ask(path, asked | {"stream": False}), strict=True)
    for piece in server.stream(path, asked):
        kind.model_validate(piece, strict=True)


def test_other_routes(server: Server) -> None:
    GenerateResponse.model_validate(server.ask("/api/generate", {"model": "cria"}), strict=True)
    ChatResponse.model_validate(server.ask("/api/chat", {"model": "cria", "messages": []}), strict=True)
    EmbedResponse.model_validate(server.ask("/api/embed", {"model": "cria", "input": ["a", "b"]}), strict=True)
    EmbeddingsResponse.model_validate(server.ask("/api/embeddings", {"model": "cria", "prompt": "a"}), strict=True)
    for piece in server.stream("/api/create", {"model": "typed", "from": "cria", "system": "Be brief."}):
        ProgressResponse.model_validate(piece, strict=True)
    server.request("DELETE", "/api/delete", {"model": "typed"})
    # Times are texts in JSON, which only the strict reading of JSON itself takes for times.
    ListResponse.model_validate_json(server.get("/api/tags").content, strict=True)
    ProcessResponse.model_validate_json(server.get("/api/ps").content, strict=True)
    ShowResponse.model_validate_json(server.post("/api/show", {"model": "cria"}).content, strict=True)
