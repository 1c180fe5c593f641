"""Every field of the official packages' types is known here: obeyed, refused by name, or named as without effect.

What a field does, other tests show. This one fails when a newer package has a field that nobody here has heard of.
"""

import importlib
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typing_extensions
from tests.server import Server

from puna.api.anthropic.schemas import CountBody, MessagesBody
from puna.api.http.body import Body
from puna.api.openai.batches import BatchBody
from puna.api.openai.decisions import DecisionsBody
from puna.api.openai.responses.schemas import CompactBody, ConversationBody, PromptBody, ResponsesBody
from puna.api.openai.schemas import ChatBody, CompletionBody, EmbeddingBody
from puna.inference.options import OPTION_NAMES

DOCS = Path(__file__).parents[2] / "docs"
CHAT = "openai.types.chat.completion_create_params:CompletionCreateParamsStreaming"
BODIES: list[tuple[str, type[Body], str]] = [
    (CHAT, ChatBody, "openai"),
    ("openai.types.completion_create_params:CompletionCreateParamsStreaming", CompletionBody, "openai"),
    ("openai.types.embedding_create_params:EmbeddingCreateParams", EmbeddingBody, "openai"),
    ("openai.types.responses.response_create_params:ResponseCreateParamsStreaming", ResponsesBody, "responses"),
    ("openai.types.responses.response_compact_params:ResponseCompactParams", CompactBody, "responses"),
    ("openai.types.responses.input_token_count_params:InputTokenCountParams", PromptBody, "responses"),
    ("openai.types.conversations.conversation_create_params:ConversationCreateParams", ConversationBody, "responses"),
    ("openai.types.decision_create_params:DecisionCreateParams", DecisionsBody, "api"),
    ("openai.types.batch_create_params:BatchCreateParams", BatchBody, "batches"),
    ("anthropic.types.message_create_params:MessageCreateParamsStreaming", MessagesBody, "anthropic"),
    ("anthropic.types.beta.message_create_params:MessageCreateParamsStreaming", MessagesBody, "anthropic"),
    ("anthropic.types.message_count_tokens_params:MessageCountTokensParams", CountBody, "anthropic"),
    ("anthropic.types.beta.message_count_tokens_params:MessageCountTokensParams", CountBody, "anthropic"),
]
"""The type of a body, ours, and the page of the documents that lists its fields."""
SKY = [{"role": "user", "content": "Why is the sky blue?"}]
TEXT = {"type": "text", "text": "Why is the sky blue?"}
BREAK = {"mode": "explicit"}
SCHEMA = {"name": "a", "schema": {"type": "object", "properties": {}}, "description": "Anything"}
IGNORED: dict[str, dict[str, Any]] = {
    "messages.content.prompt_cache_breakpoint": {
        "messages": [{"role": "user", "content": [TEXT | {"prompt_cache_breakpoint": BREAK}]}]
    },
    "messages.name": {"messages": [SKY[0] | {"name": "Ada"}]},
    "metadata": {"metadata": {"a": "b"}},
    "prediction": {"prediction": {"type": "content", "content": "Because"}},
    "prompt_cache_options": {"prompt_cache_options": {"mode": "explicit"}},
    "prompt_cache_retention": {"prompt_cache_retention": "24h"},
    "response_format.json_schema.description": {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
    "safety_identifier": {"safety_identifier": "a"},
    "store": {"store": True},
    "stream_options.include_obfuscation": {"stream_options": {"include_obfuscation": True}},
    "user": {"user": "a"},
    "verbosity": {"verbosity": "low"},
}
"""What has no effect in chats, and how to ask for it; ``image_url.detail`` needs a model that sees."""
REFUSED: dict[str, dict[str, Any]] = {
    "audio": {"audio": {"voice": "alloy", "format": "wav"}},
    "messages.audio": {"messages": [{"role": "assistant", "content": "a", "audio": {"id": "b"}}, *SKY]},
    "messages.content.file": {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "a"}}]}]},
    "moderation": {"moderation": {"model": "a"}},
    "web_search_options": {"web_search_options": {"search_context_size": "low"}},
}
OBEYED = {
    *(
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "max_completion_tokens",
        "max_tokens",
        "modalities",
    ),
    *("model", "n", "parallel_tool_calls", "presence_penalty", "prompt_cache_key", "reasoning_effort", "seed"),
    *("service_tier", "stop", "stream", "temperature", "top_p", "stream_options", "stream_options.include_usage"),
    *("function_call", "functions", "tool_choice", "tools", "response_format", "messages", "messages.content"),
    *("messages.content.image_url", "messages.content.image_url.url", "messages.content.image_url.detail"),
    *("messages.content.input_audio", "messages.content.refusal", "messages.content.text", "messages.content.type"),
    *("messages.function_call", "messages.refusal", "messages.role", "messages.tool_call_id", "messages.tool_calls"),
    *("response_format.json_schema", "response_format.type", "response_format.json_schema.schema"),
    *("response_format.json_schema.name", "response_format.json_schema.strict"),
}
"""The rest; below these all is obeyed as well."""
WHOLLY = (
    "functions",
    "function_call",
    "tools",
    "tool_choice",
    "messages.tool_calls",
    "messages.function_call",
    "messages.content.input_audio",
)


def official(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def objects_in(kind: Any) -> Iterator[Any]:
    """Yield the types of objects in a type."""
    if typing_extensions.is_typeddict(kind):
        yield kind
    for inner in typing.get_args(kind):
        yield from objects_in(inner)


def fields(kind: Any, at: str = "", seen: tuple[Any, ...] = ()) -> Iterator[str]:
    """Yield the paths of all fields of a type, and of what is in them."""
    for name, value in typing_extensions.get_type_hints(kind).items():
        path = f"{at}.{name}" if at else name
        yield path
        for inner in objects_in(value):
            if inner not in seen:
                yield from fields(inner, path, (*seen, inner))


@pytest.mark.parametrize(("where", "body", "page"), BODIES, ids=[entry[0].partition("types.")[2] for entry in BODIES])
def test_every_field_is_known_and_documented(where: str, body: type[Body], page: str) -> None:
    names = set(typing_extensions.get_type_hints(official(where)))
    known = {field.alias or name for name, field in body.model_fields.items()} | set(OPTION_NAMES)
    assert names - known == set()
    text = (DOCS / f"{page}.md").read_text("utf-8")
    assert [name for name in sorted(names) if not re.search(rf"`{name}`", text)] == []


def test_every_field_of_chats_has_its_fate() -> None:
    decided = {*IGNORED, *REFUSED, *OBEYED}
    below = tuple(f"{path}." for path in (*IGNORED, *REFUSED, *WHOLLY))
    assert {path for path in fields(official(CHAT)) if path not in decided and not path.startswith(below)} == set()


@pytest.mark.parametrize("path", IGNORED)
def test_what_has_no_effect_is_named(server: Server, path: str) -> None:
    response = server.post("/v1/chat/completions", {"model": "cria", "messages": SKY, "max_tokens": 1} | IGNORED[path])
    assert response.status_code == 200, response.text
    assert path in response.headers["Puna-Ignored"].split(", ")


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_refused_is_named(server: Server, path: str) -> None:
    response = server.post("/v1/chat/completions", {"model": "cria", "messages": SKY, "max_tokens": 1} | REFUSED[path])
    assert response.status_code == 400
    told = response.json()["error"]["param"].replace(".0", "").removesuffix(".type")
    assert path.startswith(told), told
