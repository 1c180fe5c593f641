"""From a request to what the engine is asked: which path it takes, its prompt, cut to the context."""

import logging
from dataclasses import replace
from functools import lru_cache

from puna.engine.protocol import Engine
from puna.errors import BadRequestError
from puna.inference.families.voice import Voice, is_bare, parse_template, voice_of
from puna.inference.prepare.call import Prepared, Prompt, from_text
from puna.inference.prepare.chat import chat, with_same_seed
from puna.inference.prepare.completion import completion, infill
from puna.inference.prepare.engine_tools import readable
from puna.inference.prepare.parsed import parsed
from puna.inference.prepare.recognised import recognised
from puna.inference.prepare.rendered import continuation, rendered
from puna.inference.prepare.scripted import scripted
from puna.inference.prompt.defaults import default_template, plain_template
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Completion, Conversation, GenerationRequest, Infill, ToolChoice

__all__ = ["Prepared", "prepare"]

_log = logging.getLogger(__name__)


async def prepare(request: GenerationRequest, client: Engine, context: int) -> Prepared:
    """Return the engine call for a request; raise an error with status 400 for what the model or context cannot do."""
    match request.input:
        case Completion():
            made: Prepared | Prompt = await completion(client, context, request.input)
        case Infill():
            made = await infill(request, client, context, request.input)
        case Conversation():
            return await _conversation(request, client, context, request.input)
    prepared = made if isinstance(made, Prepared) else await from_text(request, client, context, made)
    return await scripted(prepared, request, client)


async def _conversation(
    request: GenerationRequest, client: Engine, context: int, conversation: Conversation
) -> Prepared:
    voice = await beside_the_loop(lambda: _voice(request, engine_can_render=not client.template_fault))
    if conversation.tools and not voice.renders_here:
        tools = conversation.tools  # of which there may be very many
        conversation = replace(conversation, tools=await beside_the_loop(lambda: readable(tools)))
    if request.context:
        made: Prepared | Prompt = await continuation(request, client, context, conversation, voice)
    elif voice.renders_here:
        made = await rendered(request, client, context, conversation, voice)
    else:
        return await _by_engine(request, client, context, conversation, voice)
    return await _read_here(made, request, client, context, conversation, voice)


async def _by_engine(
    request: GenerationRequest, client: Engine, context: int, conversation: Conversation, voice: Voice
) -> Prepared:
    """Return the call for a conversation that the engine renders; it reads the answer too, unless more is asked."""

    async def as_text() -> Prepared:
        spoken = voice if request.has_format else Voice(parser=await recognised(request, client))
        made = await chat(request, client, context, conversation, as_text=True)
        return await _read_here(made, request, client, context, conversation, spoken)

    chosen = conversation.tool_choice != ToolChoice() or request.logprobs or not client.reads_chats
    read_here = bool(conversation.tools) and chosen and not request.has_format
    parser = await recognised(request, client) if read_here else voice.parser
    forced = bool(conversation.tools) and conversation.tool_choice.mode == "required"
    is_text = forced or bool(parser) or not client.reads_chats
    if conversation.tools and request.logprobs and not (is_text or request.has_format):
        raise BadRequestError(
            "logprobs cannot be used with tools on this model: its template writes calls in a way that only the engine "
            "reads, which tells none then",
            param="logprobs",
        )
    made = await chat(request, client, context, conversation, as_text=is_text)
    if isinstance(made, Prepared):
        return with_same_seed(made, as_text)
    return await _read_here(made, request, client, context, conversation, Voice(parser=parser))


async def _read_here(
    made: Prepared | Prompt,
    request: GenerationRequest,
    client: Engine,
    context: int,
    conversation: Conversation,
    voice: Voice,
) -> Prepared:
    """Return the call for a prompt, whose answer is read here."""
    if isinstance(made, Prepared):
        return made
    prepared = await from_text(request, client, context, made)
    if request.script:
        return await scripted(prepared, request, client)
    return await parsed(prepared, request, conversation, voice)


def _voice(request: GenerationRequest, *, engine_can_render: bool) -> Voice:
    """Return who speaks for the model, with a template where it brings none of its own."""
    model = request.model
    voice = voice_of(model, request.template)
    if voice.renderer or request.template:
        return voice
    if not voice.template and not engine_can_render and model.template:
        voice = Voice(parser=voice.parser, template=model.template)
    if is_bare(voice.template):
        return Voice(parser=voice.parser, template=plain_template())
    if not voice.template and (voice.parser or not model.gguf.chat_template):
        voice = Voice(parser=voice.parser, template=default_template(model.gguf))
        _tell_of_default(str(model.name), voice.template)
    if voice.template:
        parse_template(voice.template)  # here, beside the event loop
    return voice


@lru_cache(maxsize=64)
def _tell_of_default(name: str, text: str) -> None:
    """Say which template stands in, once for each model."""
    _log.warning("model %s has no template of its own; using %r", name, text)
