"""A conversation that is rendered here, by a family's renderer or a Go template, and sent as text."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from puna.engine.protocol import Engine
from puna.inference.engine_body import chat_body
from puna.inference.families.dialogue import Dialogue, Turn, contents
from puna.inference.families.renderers import RENDERERS
from puna.inference.families.voice import Voice, parse_template
from puna.inference.media.placing import in_order, with_marks
from puna.inference.prepare.call import Prompt, fitting, marker_for
from puna.inference.prepare.parsed import named_for, opening_of, think_of
from puna.inference.prompt.fit import fit
from puna.inference.prompt.images import ImageCounter
from puna.inference.prompt.ollama_template import TemplateMessage, TemplateToolCall, TemplateValues
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Conversation, GenerationRequest, Message, Think

Render = Callable[[tuple[Message, ...]], Awaitable[str]]
_PICTURE = re.compile(r"\[img-(\d+)\]")
_MARK_BEGINS = "[img"


async def rendered(
    request: GenerationRequest, client: Engine, context: int, conversation: Conversation, voice: Voice
) -> Prompt:
    """Return the prompt of a conversation, cut to the context."""
    marker = await marker_for(client, conversation.messages)
    pictures = ImageCounter(client)
    render = _renderer(voice, conversation, think_of(request, voice), marker)

    async def count(messages: tuple[Message, ...]) -> int:
        text = (await render(messages)).replace(marker, "")
        return await client.token_count(text) + await pictures.count(messages)

    messages, truncation, tokens = await fit(conversation.messages, count, context, truncate=request.truncate)
    images = [image for message in messages for image in message.images]
    text = await render(messages) + opening_of(request, voice)
    return Prompt(text, images, counted=0 if request.shift else tokens, truncation=truncation)


async def continuation(
    request: GenerationRequest, client: Engine, context: int, conversation: Conversation, voice: Voice
) -> Prompt:
    """Return the prompt of a new turn after the tokens of an earlier answer."""
    marker = await marker_for(client, conversation.messages)
    think = think_of(request, voice)
    if voice.renders_here:
        text = await _renderer(voice, conversation, think, marker)(conversation.messages) + opening_of(request, voice)
    else:
        text = await client.apply_template(chat_body(request, conversation, think))
    images = [image for message in conversation.messages for image in message.images]
    if not images:
        return Prompt(text, prefix=request.context)
    text = await client.detokenize(list(request.context)) + text  # tokens and images do not go together
    return Prompt(text, images, counted=await fitting(client, context, text.replace(marker, ""), images))


def _renderer(voice: Voice, conversation: Conversation, think: Think, marker: str) -> Render:
    tools = named_for(voice, conversation).tools

    async def by_family(messages: tuple[Message, ...]) -> str:
        def render() -> str:
            return _by_family(voice.renderer, [_turn(message, marker) for message in messages], tools, think)

        text = await beside_the_loop(render)
        count = sum(len(message.images) for message in messages)
        text = _PICTURE.sub(marker, text, count) if count else text
        return text.replace(_disguised(marker), _MARK_BEGINS)

    async def by_template(messages: tuple[Message, ...]) -> str:
        def render() -> str:
            turns = [_template_message(message, marker) for message in messages]
            values = TemplateValues(messages=turns, tools=tools, think=think)
            return parse_template(voice.template).render(values)

        return await beside_the_loop(render)

    return by_family if voice.renderer else by_template


def _by_family(name: str, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]], think: Think) -> str:
    render = RENDERERS[name]
    text = render(Dialogue(turns=turns, tools=tools, think=think))
    if len(_PICTURE.findall(text)) < sum(turn.images for turn in turns):  # some families have no place for pictures
        marked = [replace(turn, content=said, images=0) for turn, said in zip(turns, contents(turns), strict=True)]
        text = render(Dialogue(turns=marked, tools=tools, think=think))
    return text


def _turn(message: Message, marker: str) -> Turn:
    """Return a message for a renderer, with ``[img]`` for pictures that have a place, and text like it disguised.

    Others each family puts before the text in a way of its own.
    """
    parts = in_order(message.content, message.images, message.places)
    mark = "[img]" if message.places else ""
    disguised = _disguised(marker)
    return Turn(
        role=message.role,
        content="".join(part.replace(_MARK_BEGINS, disguised) if isinstance(part, str) else mark for part in parts),
        thinking=message.thinking.replace(_MARK_BEGINS, disguised),
        calls=_calls(message),
        tool_name=message.tool_name,
        tool_call_id=message.tool_call_id,
        images=len(message.images),
    )


def _disguised(marker: str) -> str:
    """Return what stands for the beginning of a mark that is text; like the engine's marker, nobody can guess it."""
    return marker[::-1] or _MARK_BEGINS


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
