"""A conversation in the template of the GGUF file, rendered and its answer parsed by the engine."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

from puna.engine.protocol import Engine, Route
from puna.inference.engine_body import chat_body, chosen_body, common_body
from puna.inference.engine_events import ChatDecoder
from puna.inference.prepare.call import Prepared, Prompt, marker_for
from puna.inference.prompt.fit import fit
from puna.inference.prompt.images import ImageCounter
from puna.inference.requests import Conversation, GenerationRequest, Message

_TURN_BOUND = 256
_IMAGE_BOUND = 1 << 20
"""An image takes as many tokens as the projector likes, so that a prompt with one is never known to fit."""


async def chat(
    request: GenerationRequest, client: Engine, context: int, conversation: Conversation, *, as_text: bool = False
) -> Prepared | Prompt:
    """Return the call of the engine's chat endpoint, or the prompt where the text endpoint has to answer.

    It has to with a format, and ``as_text``: if the answer is bound and read here.
    """
    think = request.thinks
    marker = await marker_for(client, conversation.messages)
    pictures = ImageCounter(client)

    async def count(messages: tuple[Message, ...]) -> int:
        text = await client.apply_template(chat_body(request, replace(conversation, messages=messages), think))
        return await client.token_count(text.replace(marker, "")) + await pictures.count(messages)

    messages, truncation, tokens = conversation.messages, None, 0
    if not request.shift or _may_exceed(request, conversation, context):
        messages, truncation, counted = await fit(messages, count, context, truncate=request.truncate)
        tokens = 0 if request.shift else counted
    body = chat_body(request, replace(conversation, messages=messages), think)
    as_text = as_text or request.has_format
    text = await client.apply_template(body) if as_text or marker else ""
    if as_text or (marker and text.endswith(marker)):
        # The chat endpoint's own grammars leave keywords out in silence; those of /completion do not.
        images = [image for message in messages for image in message.images]
        return Prompt(text, images, counted=tokens, truncation=truncation)
    return Prepared(
        route=Route.CHAT,
        # The engine alone counts this prompt, and tells of it before the answer, which a client may leave.
        body=body | chosen_body(conversation) | common_body(request, context, tokens) | {"return_progress": True},
        decode=ChatDecoder(request.options.stop).decode,
        chat=body,
        truncation=truncation,
    )


def with_same_seed(prepared: Prepared, as_text: Callable[[], Awaitable[Prepared]]) -> Prepared:
    """Return a call that can be made again as text, and then draws the same random numbers."""
    seed = prepared.body.get("seed", -1)
    seed = seed if seed >= 0 else secrets.randbits(31)

    async def again() -> Prepared:
        made = await as_text()
        return replace(made, body=made.body | {"seed": seed})

    return replace(prepared, body=prepared.body | {"seed": seed}, as_text=again)


def _may_exceed(request: GenerationRequest, conversation: Conversation, context: int) -> bool:
    """Return whether a prompt may have ``context`` tokens, as far as it takes to know: none is shorter than a byte."""
    bound = len(request.model.gguf.chat_template or "")
    for message in conversation.messages:
        parts = (message.role, message.content, message.thinking, str(message.tool_calls), message.tool_name)
        bound += _TURN_BOUND + len(message.images) * _IMAGE_BOUND + sum(len(part.encode()) for part in parts)
        if bound >= context:
            return True
    # A template may write the tools indented, and say things of its own.
    return bound + 4 * len(str(conversation.tools).encode()) >= context
