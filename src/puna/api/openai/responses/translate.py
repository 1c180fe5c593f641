"""From a body of the Responses API to what is asked of a model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from puna.api.extras import whole_number
from puna.api.messages import functions, own_messages
from puna.api.openai.responses.blame import blaming
from puna.api.openai.responses.items import Reader
from puna.api.openai.responses.schemas import CompactBody, PromptBody, ResponsesBody
from puna.api.openai.responses.tools import Tools
from puna.cipher import Cipher
from puna.errors import BadRequestError
from puna.inference.capabilities import capabilities
from puna.inference.effort import think_of
from puna.inference.requests import Conversation, GenerationRequest, Message, Think
from puna.models.model import Model

LOGPROBS, SEALED = "message.output_text.logprobs", "reasoning.encrypted_content"
_INCLUDABLE = (LOGPROBS, SEALED, "message.input_image.image_url", "computer_call_output.output.image_url")
"""What else may be included belongs to tools that are not offered."""
_MAX_TOP_LOGPROBS = 20
_SUMMARIES = ("auto", "concise", "detailed")
_WORDS = ("low", "medium", "high")
_TIERS = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
_MOST_METADATA, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512
_WITHOUT_EFFECT = (
    "access_programs",
    "background_options",
    "context_management",
    "image",
    "personality",
    "prompt_cache_options",
    "prompt_cache_retention",
    "stream_options",
)
"""Fields that are accepted and change nothing."""


@dataclass(slots=True)
class Asked:
    """What a body asks: the request, the tools that it offers, and what of the body has no effect (``ignored``)."""

    request: GenerationRequest
    tools: Tools
    ignored: list[str] = field(default_factory=list)


def check(body: ResponsesBody) -> None:
    """Raise ``BadRequestError`` for what is wrong with a body by itself, and for what is not offered here."""
    if body.prompt:
        raise BadRequestError("prompt: no prompts are kept here; send instructions and input", param="prompt")
    if body.moderation:
        raise BadRequestError("moderation: nothing here judges texts", param="moderation")
    if body.background and not body.store:
        raise BadRequestError(
            "background: a response that runs in the background must be stored (store: true)", param="background"
        )
    whole_number(body.top_logprobs, "top_logprobs", 0, _MAX_TOP_LOGPROBS)
    for name in ("max_output_tokens", "max_tool_calls"):
        whole_number(getattr(body, name), name, 1)
    _one_of(body.service_tier, _TIERS, "service_tier")
    check_metadata(body.metadata)


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise ``BadRequestError`` for metadata that is larger than OpenAI's may be."""
    if len(metadata) > _MOST_METADATA:
        raise BadRequestError(f"metadata has more than {_MOST_METADATA} entries", param="metadata")
    for key, value in metadata.items():
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            raise BadRequestError(
                f"metadata: keys have at most {_LONGEST_KEY} characters, values at most {_LONGEST_VALUE}",
                param="metadata",
            )


def is_summarized(body: PromptBody) -> bool:
    """Return whether thoughts are told as a summary; raise ``BadRequestError`` for a kind of it that nobody knows."""
    asked = body.reasoning.get("summary") or body.reasoning.get("generate_summary")
    if asked is not None:
        _one_of(asked, _SUMMARIES, "reasoning.summary")
    return asked is not None


def asked_of(
    body: PromptBody,
    model: Model,
    items: Iterable[Mapping[str, Any]],
    earlier: int,
    seal: Cipher,
    web: Mapping[str, bytes],
) -> Asked:
    """Return what a body asks of a model.

    ``items`` is the whole input: first ``earlier`` items that are stored, then the body's own. ``web`` is what has been
    fetched for URLs. Raises ``BadRequestError``.
    """
    _one_of(body.truncation, ("auto", "disabled"), "truncation")
    tools = Tools()
    tools.add(body.tools)
    items = list(items)
    for index, item in enumerate(items):
        if item.get("type") == "configuration_update":
            _update(body, item)
        added = item.get("tools") if item.get("type") in ("additional_tools", "tool_search_output") else None
        if isinstance(added, list):
            tools.add(added, f"input[{index - earlier}].tools")
    reader = Reader(seal, web)
    reader.read(items, -earlier)
    own: dict[str, Any] = {"truncate": True, "shift": True} if body.truncation == "auto" else {}
    if isinstance(body, ResponsesBody | CompactBody):
        own["num_predict"] = body.max_output_tokens
    options = body.merged(model, own)
    top = body.top_logprobs if isinstance(body, ResponsesBody) else 0
    request = GenerationRequest(
        model=model,
        name=body.model,
        input=Conversation(
            messages=tuple(_messages(body, model, reader.messages())),
            tools=functions(tools.functions),
            tool_choice=tools.choice(body.tool_choice, parallel=body.parallel_tool_calls),
        ),
        options=options,
        think=_think(body, model),
        format=_format(body.text.get("format")),
        truncate=options.truncate,
        shift=options.shift,
        logprobs=isinstance(body, ResponsesBody) and (top > 0 or LOGPROBS in body.include),
        top_logprobs=top,
        template_values=_template_values(body),
    )
    ignored = [name for name in _WITHOUT_EFFECT if getattr(body, name, None)]
    if isinstance(body, ResponsesBody):
        ignored += [f"include.{name}" for name in body.include if name not in _INCLUDABLE]
    ignored += [f"reasoning.{name}" for name in ("context", "mode") if body.reasoning.get(name)]
    ignored += [f"tools.{kind}" for kind in dict.fromkeys(tools.others)]
    ignored += [f"input.{kind}" for kind in dict.fromkeys(reader.passed)]
    return Asked(request, tools, ignored)


def _update(body: PromptBody, item: Mapping[str, Any]) -> None:
    """Let an item change how hard the model thinks, and the format of the answer."""
    reasoning, text = item.get("reasoning"), item.get("text")
    if isinstance(reasoning, dict):
        body.reasoning = body.reasoning | reasoning
    if isinstance(text, dict):
        body.text = body.text | text


def _think(body: PromptBody, model: Model) -> Think:
    effort = body.reasoning.get("effort")
    with blaming("reasoning.effort"):
        if not isinstance(effort, str | None):
            raise BadRequestError("reasoning.effort must be a string")
        if effort is None and isinstance(enabled := body.chat_template_kwargs.get("enable_thinking"), bool):
            effort = "medium" if enabled else "none"
        return think_of(effort, "reasoning.effort", can_think="thinking" in capabilities(model))


def _messages(body: PromptBody, model: Model, said: list[Message]) -> list[Message]:
    """Return the whole conversation. What stands before it is one system message: most templates take no more."""
    head = [body.instructions] if body.instructions else []
    while said and said[0].role == "system" and not said[0].images:
        head.append(said.pop(0).content)
    if not head and model.system:
        head.append(model.system)
    system = [Message(role="system", content="\n\n".join(head))] if head else []
    return [*system, *own_messages(model), *said]


def _format(form: object) -> str | Mapping[str, Any]:
    match form or {"type": "text"}:
        case {"type": "text"}:
            return ""
        case {"type": "json_object"}:
            return "json"
        case {"type": "json_schema", "schema": dict(schema)}:
            return schema
        case {"type": "json_schema"}:
            raise BadRequestError("text.format.schema must be an object", param="text.format.schema")
    raise BadRequestError('text.format.type must be "text", "json_object" or "json_schema"', param="text.format.type")


def _template_values(body: PromptBody) -> Mapping[str, Any]:
    values = dict(body.chat_template_kwargs)
    if (verbosity := body.text.get("verbosity")) is not None:
        _one_of(verbosity, _WORDS, "text.verbosity")
        values.setdefault("verbosity", verbosity)
    return values


def _one_of(value: object, allowed: Sequence[str], name: str) -> None:
    if value not in allowed:
        raise BadRequestError(f'{name} must be one of {", ".join(allowed)}, not "{str(value)[:40]}"', param=name)
