"""From Anthropic's bodies to requests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from puna.api.anthropic.blocks import Turns, system_text
from puna.api.anthropic.schemas import CountBody, FormatBody, MessagesBody, ToolChoiceBody
from puna.api.messages import functions, own_messages
from puna.api.seal import Seal
from puna.api.tool_order import ToolOrder
from puna.errors import BadRequestError
from puna.inference.effort import think_of
from puna.inference.options import Options
from puna.inference.requests import Conversation, GenerationRequest, Message, Think, ToolChoice
from puna.models.model import Model

_CHOICES = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}
_THINKING = ("enabled", "adaptive", "disabled", "between_tools")
_WITHOUT_EFFECT = (
    "betas",
    "billing_policy",
    "compaction",
    "container",
    "context_management",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "service_tier",
    "speed",
    "user_profile_id",
    "workspace_id",
)
"""Fields that are about Anthropic's servers, or ask for work on a conversation that its client can do itself."""


class ThreadError(BadRequestError):
    """A conversation was to be kept here; the official package goes on without that where it is told so."""

    code = "thread_unsupported_request"

    def __init__(self) -> None:
        super().__init__("thread is not supported: send the whole conversation")


def options_of(model: Model, body: CountBody) -> Options:
    """Return the options of a request; its stop sequences come beside the model's own stop strings."""
    own: dict[str, Any] = {"thinking_budget": _budget(body)}
    if isinstance(body, MessagesBody):
        own["num_predict"] = max(body.max_tokens, 1)
        if body.stop_sequences:
            theirs = model.defaults.get("stop") or ()
            known = [theirs] if isinstance(theirs, str) else list(theirs)
            own["stop"] = list(dict.fromkeys([*known, *body.stop_sequences]))
    return body.merged(model, own)


@dataclass(frozen=True, slots=True)
class Around:
    """What a request is translated with: ``media`` has what was fetched for the URLs in it."""

    seal: Seal
    order: ToolOrder
    media: Mapping[str, bytes]
    can_think: bool


def generation_request(model: Model, body: CountBody, options: Options, around: Around) -> GenerationRequest:
    """Return what a body asks.

    Raises ``BadRequestError`` for what cannot be obeyed, and would be missed.
    """
    if not body.messages:
        raise BadRequestError("messages is required")
    if getattr(body, "thread", None) is not None:
        raise ThreadError
    messages = _messages(model, body, around)
    tools = functions([_function(tool) for tool in body.tools if _is_offered(tool)])
    return GenerationRequest(
        model=model,
        name=body.model,
        input=Conversation(
            messages=messages,
            tools=around.order.steady(tools),
            tool_choice=_tool_choice(body.tool_choice, [tool["function"]["name"] for tool in tools]),
        ),
        options=options,
        think=_think(body, continues=messages[-1].role == "assistant", can_think=around.can_think),
        format=_format(body),
        truncate=options.truncate,
        shift=options.shift,
        with_reading=True,
        template_values=body.chat_template_kwargs,
    )


def without_effect(body: CountBody, *, can_think: bool) -> Iterator[str]:
    """Yield the names of what a body asks that has no effect."""
    yield from (name for name in _WITHOUT_EFFECT if getattr(body, name, None))
    yield from (f"tools.{_name(tool)}" for tool in body.tools if not _is_offered(tool))
    if any(tool.get("defer_loading") is True for tool in body.tools):
        yield "tools.defer_loading"
    if not can_think:
        if body.thinking and body.thinking.type in ("enabled", "adaptive"):
            yield "thinking"
        if body.output_config and body.output_config.effort:
            yield "output_config.effort"


def _messages(model: Model, body: CountBody, around: Around) -> tuple[Message, ...]:
    turns = Turns(around.seal, around.media)
    last_user = max((index for index, one in enumerate(body.messages) if one.role == "user"), default=-1)
    for index, message in enumerate(body.messages):
        turns.add(message, f"messages.{index}", last=index > last_user)
    said = turns.done()
    if not said:
        raise BadRequestError("messages must have something in them to answer")
    head = "\n".join(text for text in (system_text(body.system), *turns.head) if text) or model.system
    system = (Message(role="system", content=head),) if head else ()
    return (*system, *own_messages(model), *said)


def _is_offered(tool: Mapping[str, Any]) -> bool:
    """Return whether a tool is the caller's own; of those of Anthropic's the models here know nothing."""
    return tool.get("type") in (None, "custom") or "input_schema" in tool


def _name(tool: Mapping[str, Any]) -> str:
    return str(tool.get("name") or tool.get("type"))


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool in OpenAI's form."""
    if not isinstance(tool.get("input_schema"), dict):
        raise BadRequestError(f'tool "{_name(tool)[:60]}" needs an input_schema, an object')
    about = [str(tool.get("description") or ""), *_examples(tool)]
    function = {"name": tool.get("name"), "description": "\n".join(filter(None, about))}
    return {"type": "function", "function": function | {"parameters": tool["input_schema"]}}


def _examples(tool: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a tool's ``input_examples`` tell the model, as a part of its description."""
    given = tool.get("input_examples") or []
    if not isinstance(given, list) or not all(isinstance(example, dict) for example in given):
        raise BadRequestError(f'tool "{_name(tool)[:60]}": input_examples must be an array of objects')
    yield from (f"Example of an input: {orjson.dumps(example).decode()}" for example in given)


def _tool_choice(choice: ToolChoiceBody | None, names: list[str]) -> ToolChoice:
    if choice is None:
        return ToolChoice()
    if choice.type not in _CHOICES:
        raise BadRequestError(f'tool_choice.type must be one of {", ".join(_CHOICES)}, not "{choice.type[:40]}"')
    if choice.type == "tool" and choice.name not in names:
        raise BadRequestError(f'tool_choice.name "{choice.name[:60]}" is none of the tools')
    if choice.type == "any" and not names:
        raise BadRequestError("tool_choice any needs tools")
    named = (choice.name,) if choice.type == "tool" else ()
    return ToolChoice(_CHOICES[choice.type], named, parallel=not choice.disable_parallel_tool_use)


def _think(body: CountBody, *, continues: bool, can_think: bool) -> Think:
    """Return whether to think, and how hard; an answer that ``continues`` another has its thoughts behind it."""
    kind = body.thinking.type if body.thinking else ""
    if kind and kind not in _THINKING:
        raise BadRequestError(f'thinking.type must be one of {", ".join(_THINKING)}, not "{kind[:40]}"')
    effort = body.output_config.effort if body.output_config else None
    level = think_of(effort, "output_config.effort", can_think=can_think)
    if kind in ("disabled", "between_tools") or (continues and kind != "enabled"):
        return False
    if not can_think:
        return None
    return level or True if kind else level


def _budget(body: CountBody) -> int | None:
    thinking = body.thinking
    if thinking is None or thinking.type != "enabled":
        return None  # an option, or the model, may have one
    if thinking.budget_tokens is None or thinking.budget_tokens < 1:
        raise BadRequestError("thinking.budget_tokens must be at least 1 where thinking is enabled")
    return thinking.budget_tokens


def _format(body: CountBody) -> str | Mapping[str, Any]:
    asked = (body.output_config.format if body.output_config else None) or body.output_format
    return "" if asked is None else _schema(asked)


def _schema(asked: FormatBody) -> Mapping[str, Any]:
    if asked.type != "json_schema":
        raise BadRequestError(f'a format must have the type "json_schema", not "{asked.type[:40]}"')
    return asked.schema_
