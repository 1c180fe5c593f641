"""From the bodies of OpenAI's chats to requests, and what of them has no effect."""

from collections.abc import Iterator, Mapping
from typing import Any

from puna.api.extras import whole_number
from puna.api.messages import functions, own_messages
from puna.api.openai.content import messages_of, unread
from puna.api.openai.custom import custom_function
from puna.api.openai.schemas import ChatBody, GenerationBody
from puna.api.parts import MediaReader
from puna.errors import BadRequestError
from puna.inference.capabilities import capabilities
from puna.inference.effort import think_of
from puna.inference.families.voice import voice_of
from puna.inference.format.constraint import Constraint, bind
from puna.inference.format.errors import FormatError
from puna.inference.options import Options
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Conversation, GenerationRequest, Message, Think, ToolChoice
from puna.inference.tool_choice import read_tool_choice
from puna.models.model import Model

MOST_CHOICES = 128
MOST_TOP_LOGPROBS = 20
_REFUSED = ("audio", "moderation", "web_search_options")
_WITHOUT_EFFECT = (
    "metadata",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "user",
    "verbosity",
)
_TIERS = ("", "auto", "default", "flex")
_PREDICTED = "prediction.content must be a text or a list of parts, each a text"
Format = str | Mapping[str, Any] | Constraint


async def chat_request(model: Model, body: ChatBody, options: Options, media: MediaReader) -> GenerationRequest:
    """Return what a body of ``/v1/chat/completions`` asks; raise ``BadRequestError`` that names the field."""
    _check(body)
    messages = _begun(model, await messages_of(body.messages, media))
    tools, choice = _tools(body)
    return GenerationRequest(
        model=model,
        name=body.model,
        input=Conversation(messages=messages, tools=tools, tool_choice=choice),
        options=options,
        whole=not body.stream,
        think=await _think(model, body),
        format=await response_format(body.response_format),
        truncate=options.truncate,
        shift=options.shift,
        logprobs=body.logprobs,
        top_logprobs=body.top_logprobs or 0,
        choices=body.n,
        template_values=body.chat_template_kwargs,
        prediction=_prediction(body.prediction),
    )


def _prediction(asked: Mapping[str, Any] | None) -> str:
    """Return the text that an answer is predicted to be."""
    if asked is None:
        return ""
    if asked.get("type") != "content":
        raise BadRequestError('prediction.type must be "content"', param="prediction.type")
    content = asked.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise BadRequestError(_PREDICTED, param="prediction.content")
    return "".join(_predicted(part) for part in parts)


def _predicted(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
    if not isinstance(text, str):
        raise BadRequestError(_PREDICTED, param="prediction.content")
    return text


def _begun(model: Model, said: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return a conversation behind what the model begins each with; the request's own system message is the first."""
    head: tuple[Message, ...] = (Message(role="system", content=model.system),) if model.system else ()
    if said[0].role == "system":
        head, said = said[:1], said[1:]
    return (*head, *own_messages(model), *said)


def _check(body: ChatBody) -> None:
    if not body.messages:
        raise BadRequestError("messages must not be empty", param="messages")
    for name in _REFUSED:
        if getattr(body, name) is not None:
            raise BadRequestError(f"{name} is not supported", param=name)
    for kind in body.modalities:
        if kind != "text":
            raise BadRequestError(f'modalities: answers are text, not "{kind[:40]}"', param="modalities")
    check_choices(body.n)
    whole_number(body.top_logprobs, "top_logprobs", 0, MOST_TOP_LOGPROBS)
    if body.top_logprobs is not None and not body.logprobs:
        raise BadRequestError("top_logprobs needs logprobs to be true", param="top_logprobs")


def check_choices(count: int) -> None:
    """Raise ``BadRequestError`` unless so many answers can be asked for."""
    whole_number(count, "n", 1, MOST_CHOICES)


def most_tokens(body: GenerationBody) -> dict[str, Any]:
    """Return the option that the limit of an answer is, under its names in this dialect."""
    name = "max_completion_tokens" if getattr(body, "max_completion_tokens", None) is not None else "max_tokens"
    limit = whole_number(getattr(body, name), name, 1)
    return {} if limit is None else {"num_predict": limit}


def _tools(body: ChatBody) -> tuple[tuple[dict[str, Any], ...], ToolChoice]:
    if not body.functions:
        tools = functions([_offered(tool, f"tools.{index}") for index, tool in enumerate(body.tools)])
        return tools, _choice(_by_name(body.tool_choice), tools, "tool_choice", parallel=body.parallel_tool_calls)
    if body.tools:
        raise BadRequestError("functions and tools cannot be used together", param="functions")
    tools = functions([{"type": "function", "function": function} for function in body.functions], "functions")
    asked = body.function_call
    if isinstance(asked, dict):
        asked = {"type": "function", "function": asked}
    return tools, _choice(asked, tools, "function_call", parallel=False)


def _offered(tool: dict[str, Any], field: str) -> dict[str, Any]:
    """Return a tool as a function, which a custom one is offered as."""
    if tool.get("type") != "custom":
        return tool
    custom = tool.get("custom")
    name = custom.get("name") if isinstance(custom, dict) else None
    if not isinstance(custom, dict) or not isinstance(name, str) or not name:
        raise BadRequestError("a custom tool needs a name", param=f"{field}.custom.name")
    about = str(custom.get("description") or "")
    return {"type": "function", "function": custom_function(name, about, custom.get("format"), f"{field}.custom")}


def _by_name(asked: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """Return a choice in which custom tools are named as the functions that they are offered as."""
    match asked:
        case {"type": "custom", "custom": dict(named)}:
            return {"type": "function", "function": named}
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(tools), **more}}:
            named_tools = [_by_name(tool) if isinstance(tool, dict) else tool for tool in tools]
            return {"type": "allowed_tools", "allowed_tools": {**more, "tools": named_tools}}
    return asked


def custom_names(body: ChatBody) -> frozenset[str]:
    """Return the names of the custom tools of a body that has been read."""
    return frozenset(tool["custom"]["name"] for tool in body.tools if tool.get("type") == "custom")


def _choice(
    asked: str | dict[str, Any] | None, tools: tuple[dict[str, Any], ...], field: str, *, parallel: bool | None
) -> ToolChoice:
    try:
        return read_tool_choice(asked, tools, parallel=parallel)
    except BadRequestError as error:
        error.param = field
        raise


async def _think(model: Model, body: ChatBody) -> Think:
    """Return whether to think: as an effort says, else as what clients give Qwen's templates does."""
    field, effort = "reasoning_effort", body.reasoning_effort
    if effort is None and body.reasoning:
        field, effort = "reasoning.effort", body.reasoning.get("effort")
        if not isinstance(effort, str | None):
            raise BadRequestError("reasoning.effort must be a string", param=field)
    enabled = body.chat_template_kwargs.get("enable_thinking")
    if effort is None and not isinstance(enabled, bool):
        return None
    can_think = "thinking" in await beside_the_loop(lambda: capabilities(model))
    if effort is None:
        return bool(enabled) if can_think else None
    try:
        return think_of(effort, field, can_think=can_think)
    except BadRequestError as error:
        error.param = field
        raise


async def response_format(asked: Mapping[str, Any] | None, field: str = "response_format") -> Format:
    """Return the format of an answer. What cannot be enforced of a schema is an error, strict or not."""
    if asked is None:
        return ""
    kind = asked.get("type")
    if kind == "text":
        return ""
    if kind == "json_object":
        return "json"
    if kind != "json_schema":
        raise BadRequestError(f"{field}.type must be text, json_object or json_schema", param=f"{field}.type")
    inner = asked.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    where = f"{field}.json_schema.schema"
    if not isinstance(schema, Mapping):
        raise BadRequestError(f"{where} must be an object", param=where)
    try:
        return await bind(schema)
    except FormatError as error:
        raise BadRequestError(f"{where}: {str(error).removeprefix('format: ')}", param=where) from None


async def without_effect(model: Model, body: GenerationBody, *, predicted: bool = False) -> list[str]:
    """Return the names of what is in a body and has no effect, apart from unknown ones.

    ``predicted`` tells that the engine makes use of the prediction.
    """
    names = [name for name in _WITHOUT_EFFECT if getattr(body, name, None)]
    names += [f"stream_options.{name}" for name in body.stream_options.unknown]
    if body.stream_options.include_obfuscation:
        names.append("stream_options.include_obfuscation")
    if isinstance(body, ChatBody):
        names += _of_chat(body)
        if body.prediction and not predicted:
            names.append("prediction")
    if body.chat_template_kwargs and not await beside_the_loop(lambda: _rendered_by_engine(model)):
        names += [f"chat_template_kwargs.{name}" for name in body.chat_template_kwargs if name != "enable_thinking"]
    return names


def _rendered_by_engine(model: Model) -> bool:
    return bool(model.gguf.chat_template) and not voice_of(model).renders_here


def _of_chat(body: ChatBody) -> Iterator[str]:
    if body.service_tier not in _TIERS:
        yield "service_tier"
    if body.reasoning:
        yield from (f"reasoning.{name}" for name in body.reasoning if name != "effort")
    if any(message.name and message.role not in ("tool", "function") for message in body.messages):
        yield "messages.name"
    yield from sorted({f"messages.{name}" for message in body.messages for name in message.unknown})
    yield from sorted(set(unread(body.messages)))
    schema = (body.response_format or {}).get("json_schema")
    if isinstance(schema, dict) and schema.get("description"):
        yield "response_format.json_schema.description"


def priority_of(body: GenerationBody) -> str:
    """Return how urgent a request is: as it says, or as the tier of service that it asks for."""
    return body.priority or ("batch" if getattr(body, "service_tier", "") == "flex" else "")
