"""A conversation that is rendered here, by a family's renderer or a Go template, and sent as text."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from puna.engine.client import EngineClient
from puna.inference.families.dialogue import Dialogue, Turn, contents
from puna.inference.families.renderers import RENDERERS
from puna.inference.families.voice import Voice, parse_template
from puna.inference.media.placing import in_order, with_marks
from puna.inference.prepare.call import Prepared, fitting, from_text, media_marker
from puna.inference.prepare.parsed import named_for, opening_of, parsed, think_of
from puna.inference.prompt.fit import fit
from puna.inference.prompt.images import ImageCounter
from puna.inference.prompt.ollama_template import TemplateMessage, TemplateToolCall, TemplateValues
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Conversation, GenerationRequest, Message, Think

Render = Callable[[tuple[Message, ...]], Awaitable[str]]
_PICTURE = re.compile(r"\[img-(\d+)\]")
_MARK_BEGINS = "[img"


async def rendered(
    request: GenerationRequest, client: EngineClient, context: int, conversation: Conversation, voice: Voice
) -> Prepared:
    """Return the call for a conversation, cut to the context."""
    marker = await media_marker(client, conversation.messages)
    pictures = ImageCounter(client)
    render = _renderer(voice, conversation, think_of(request, voice), marker)

    async def count(messages: tuple[Message, ...]) -> int:
        text = (await render(messages)).replace(marker, "")
        return len(await client.tokenize(text)) + await pictures.count(messages)

    messages, truncation = await fit(conversation.messages, count, context, truncate=request.truncate)
    prompt = await render(messages) + opening_of(request, voice)
    images = [image for message in messages for image in message.images]
    counted = await count(messages) if images and not request.shift else 0
    prepared = await from_text(request, client, context, prompt, images, counted=counted)
    return replace(parsed(prepared, request, replace(conversation, messages=messages), voice), truncation=truncation)


async def continuation(
    request: GenerationRequest,
    client: EngineClient,
    context: int,
    conversation: Conversation,
    voice: Voice,
    engine_renders: Render | None,
) -> Prepared:
    """Return the call for tokens of an earlier answer and a new turn, rendered by the engine where it has a way to."""
    marker = await media_marker(client, conversation.messages)
    render = engine_renders or _renderer(voice, conversation, think_of(request, voice), marker)
    prompt = await render(conversation.messages) + opening_of(request, voice)
    images = [image for message in conversation.messages for image in message.images]
    if images:  # go with text only
        prompt = await client.detokenize(list(request.context)) + prompt
        counted = await fitting(client, context, prompt.replace(marker, ""), images)
        prepared = await from_text(request, client, context, prompt, images, counted=counted)
    else:
        prepared = await from_text(request, client, context, prompt, prefix=request.context)
    return parsed(prepared, request, conversation, voice)


def _renderer(voice: Voice, conversation: Conversation, think: Think, marker: str) -> Render:
    tools = named_for(voice, conversation).tools

    async def by_family(messages: tuple[Message, ...]) -> str:
        turns = [_turn(message, marker) for message in messages]
        text = await beside_the_loop(lambda: _by_family(voice.renderer, turns, tools, think))
        count = sum(turn.images for turn in turns)
        return _PICTURE.sub(marker, text, count).replace(marker[::-1], _MARK_BEGINS) if count else text

    async def by_template(messages: tuple[Message, ...]) -> str:
        turns = [_template_message(message, marker) for message in messages]
        values = TemplateValues(messages=turns, tools=tools, think=think)
        return await beside_the_loop(lambda: parse_template(voice.template).render(values))

    return by_family if voice.renderer else by_template


def _by_family(name: str, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]], think: Think) -> str:
    render = RENDERERS[name]
    text = render(Dialogue(turns=turns, tools=tools, think=think))
    if len(_PICTURE.findall(text)) < sum(turn.images for turn in turns):  # some families have no place for pictures
        marked = [replace(turn, content=said, images=0) for turn, said in zip(turns, contents(turns), strict=True)]
        text = render(Dialogue(turns=marked, tools=tools, think=think))
    return text


def _turn(message: Message, marker: str) -> Turn:
    """Return a message for a renderer, which knows where pictures go by ``[img]``; what only looks so is disguised."""
    guard = marker[::-1] or _MARK_BEGINS
    parts = in_order(message.content, message.images, message.places)
    mark = "[img]" if message.places else ""
    return Turn(
        role=message.role,
        content="".join(mark if isinstance(part, bytes) else part.replace(_MARK_BEGINS, guard) for part in parts),
        thinking=message.thinking.replace(_MARK_BEGINS, guard),
        calls=_calls(message),
        tool_name=message.tool_name,
        tool_call_id=message.tool_call_id,
        images=len(message.images),
    )


def _template_message(message: Message, marker: str) -> TemplateMessage:
    return TemplateMessage(
        role=message.role,
        content=with_marks(message.content, message.images, message.places, marker),
        thinking=message.thinking,
        tool_calls=_calls(message),
        tool_name=message.tool_name,
        tool_call_id=message.tool_call_id,
        image_count=len(message.images),
    )


def _calls(message: Message) -> tuple[TemplateToolCall, ...]:
    return tuple(TemplateToolCall(call.name, call.arguments, call.id) for call in message.tool_calls)
