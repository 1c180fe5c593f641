"""From Ollama's bodies to requests, and from events to Ollama's objects."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from puna.api.http.body import in_their_case
from puna.api.messages import functions, role_of
from puna.api.ollama.schemas import ChatBody, GenerateBody, GenerationBody, MessageBody
from puna.api.parts import decode_media, decode_sound
from puna.errors import BadRequestError
from puna.inference.events import Finished, Logprob, TokenLogprob
from puna.inference.options import OPTION_NAMES, Options
from puna.inference.requests import (
    Completion,
    Conversation,
    GenerationRequest,
    Infill,
    Message,
    Think,
    ToolCall,
)
from puna.inference.tool_choice import read_tool_choice
from puna.models.manifests import BadManifestError
from puna.models.model import Model

_THINK_LEVELS = ("low", "medium", "high", "max")
_MAX_TOP_LOGPROBS = 20


def options_of(defaults: Mapping[str, Any], model: Model, body: GenerationBody) -> Options:
    """Return the options of a request.

    Later ones win: the server's defaults, the model's, those at the top level, those under ``options``.
    """
    top_level = {
        "temperature": body.temperature,
        "num_predict": body.max_output_tokens if body.max_tokens is None else body.max_tokens,
        "top_p": body.top_p,
        "top_k": body.top_k,
        "seed": body.seed,
        "stop": body.stop,
    }
    return Options.merge(defaults, model.defaults, top_level, in_their_case(body.options, OPTION_NAMES))


def generate_request(model: Model, body: GenerateBody, options: Options) -> GenerationRequest:
    """Return what a body of ``/api/generate`` asks, with its options (see ``options_of``)."""
    if body.raw and (body.template or body.system or body.context):
        raise BadRequestError("raw mode does not support template, system, or context")
    if body.suffix and (body.images or body.audio or body.context):
        raise BadRequestError("suffix cannot be used together with images, audio or context")
    images = _media(body)
    asked: Conversation | Completion | Infill
    if body.raw:
        asked = Completion(prompt=body.prompt, images=images)
    elif body.suffix:
        asked = Infill(prefix=body.prompt, suffix=body.suffix)
    else:
        system = body.system or model.system
        messages = [Message(role="system", content=system)] if system else []
        if body.context is None:
            messages += _model_messages(model)
        messages.append(Message(role="user", content=body.prompt, images=images))
        asked = Conversation(messages=tuple(messages))
    return _request(
        model,
        body,
        options,
        asked,
        template=body.template,
        context=tuple(body.context or ()),
        with_context=not body.raw and not body.suffix,
    )


def chat_request(model: Model, body: ChatBody, options: Options) -> GenerationRequest:
    """Return what a body of ``/api/chat`` asks, with its options (see ``options_of``)."""
    said = [message_of(message, f"messages.{index}.") for index, message in enumerate(body.messages)]
    messages = _model_messages(model) + said
    if model.system and role_of(body.messages[0].role) != "system":
        messages.insert(0, Message(role="system", content=model.system))
    tools = functions(body.tools)
    choice = read_tool_choice(body.tool_choice, tools, parallel=body.parallel_tool_calls)
    return _request(model, body, options, Conversation(messages=tuple(messages), tools=tools, tool_choice=choice))


def _request(
    model: Model, body: GenerationBody, options: Options, asked: Conversation | Completion | Infill, **more: Any
) -> GenerationRequest:
    if not 0 <= body.top_logprobs <= _MAX_TOP_LOGPROBS:
        raise BadRequestError(f"top_logprobs must be between 0 and {_MAX_TOP_LOGPROBS}")
    return GenerationRequest(
        model=model,
        name=body.model,
        input=asked,
        options=options,
        whole=not body.stream,
        think=parse_think(body.think),
        format=_parse_format(body.format),
        truncate=options.truncate if body.truncate is None else body.truncate,
        shift=options.shift if body.shift is None else body.shift,
        logprobs=body.logprobs,
        top_logprobs=body.top_logprobs,
        **more,
    )


def parse_think(value: bool | str | None) -> Think:
    """Return ``think`` if it is one of the values that Ollama knows."""
    if isinstance(value, str) and value not in _THINK_LEVELS:
        raise BadRequestError(
            f'invalid think value: "{value}" (must be "high", "medium", "low", "max", true, or false)'
        )
    return value


def _parse_format(value: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    if isinstance(value, str) and value not in {"", "json"}:
        raise BadRequestError(f'invalid format: "{value}"; expected "json" or a valid JSON Schema object')
    return value


def _media(body: GenerateBody | MessageBody, where: str = "") -> tuple[bytes, ...]:
    """Return pictures, then sounds; ``where`` is what the names of their fields begin with in errors.

    Sound may be among ``images``, as Ollama has it.
    """
    images = [decode_media(item, f"{where}images.{index}") for index, item in enumerate(body.images)]
    sounds = [decode_sound(item, f"{where}audio.{index}") for index, item in enumerate(body.audio)]
    return (*images, *sounds)


def message_of(body: MessageBody, where: str = "") -> Message:
    """Return one message of a conversation; ``where`` is what the names of its fields begin with in errors."""
    return Message(
        role=role_of(body.role),
        content=body.content,
        thinking=body.thinking,
        images=_media(body, where),
        tool_calls=tuple(_tool_call(call) for call in body.tool_calls),
        tool_name=body.tool_name,
        tool_call_id=body.tool_call_id,
    )


def _model_messages(model: Model) -> list[Message]:
    try:
        return [message_of(MessageBody.model_validate(message)) for message in model.messages]
    except ValidationError as error:
        raise BadManifestError(f"model {model.name} has messages that are none") from error


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    call = in_their_case(call, ("id", "function"))
    function = call.get("function")
    function = in_their_case(function, ("name", "arguments")) if isinstance(function, dict) else {}
    if not isinstance(function.get("name"), str):
        raise BadRequestError("each of tool_calls needs a function with a name")
    arguments = {} if function.get("arguments") is None else function["arguments"]
    if not isinstance(arguments, dict):
        raise BadRequestError("the arguments of a tool call must be a JSON object")
    return ToolCall(name=function["name"], arguments=arguments, id=str(call.get("id") or ""))


def tool_call_body(call: ToolCall, index: int) -> dict[str, Any]:
    """Return a call as Ollama writes it."""
    function = {"index": index, "name": call.name, "arguments": call.arguments}
    return {"id": call.id, "function": function} if call.id else {"function": function}


def logprobs_body(logprobs: tuple[Logprob, ...], top: int) -> list[dict[str, Any]]:
    """Return log probabilities as Ollama writes them, with ``top`` alternatives for each token."""
    return [
        _token_body(entry.chosen) | ({"top_logprobs": [_token_body(token) for token in entry.top[:top]]} if top else {})
        for entry in logprobs
    ]


def _token_body(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": list(token.bytes)}


def finished_body(event: Finished, total_duration: int, load_duration: int) -> dict[str, Any]:
    """Return the fields of a final object. Durations are in nanoseconds."""
    body: dict[str, Any] = {"done": True, "done_reason": event.reason}
    if event.context:
        body["context"] = list(event.context)
    body |= {
        "total_duration": total_duration,
        "load_duration": load_duration,
        "prompt_eval_count": event.prompt_tokens,
        "prompt_eval_duration": event.prompt_duration,
        "eval_count": event.generated_tokens,
        "eval_duration": event.generation_duration,
    }
    if event.truncation:
        body |= {
            "prompt_truncated": True,
            "dropped_messages": event.truncation.dropped_messages,
            "dropped_tokens": event.truncation.dropped_tokens,
            "context_length": event.truncation.context,
        }
    return body
