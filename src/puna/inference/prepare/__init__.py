"""From a request to what the engine is asked: which path it takes, its prompt, cut to the context."""

import logging
from functools import lru_cache

from puna.engine.client import EngineClient
from puna.inference.engine_body import chat_body
from puna.inference.families.voice import Voice, is_bare, parse_template, voice_of
from puna.inference.prepare.call import Prepared, effective_think
from puna.inference.prepare.chat import chat
from puna.inference.prepare.completion import completion, infill
from puna.inference.prepare.rendered import Render, continuation, rendered
from puna.inference.prompt.defaults import default_template, plain_template
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Completion, Conversation, GenerationRequest, Infill, Message

__all__ = ["Prepared", "effective_think", "prepare"]

_log = logging.getLogger(__name__)


async def prepare(request: GenerationRequest, client: EngineClient, context: int) -> Prepared:
    """Return the engine call for a request; raise an error with status 400 for what the model or context cannot do."""
    match request.input:
        case Completion():
            return await completion(request, client, context, request.input)
        case Infill():
            return await infill(request, client, context, request.input)
        case Conversation():
            voice = await beside_the_loop(lambda: _voice(request, engine_can_render=not client.template_fault))
            here = bool(voice.renderer or voice.template)
            if request.context:
                render = None if here else _by_engine(request, client, request.input)
                return await continuation(request, client, context, request.input, voice, render)
            if here:
                return await rendered(request, client, context, request.input, voice)
            return await chat(request, client, context, request.input)


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


def _by_engine(request: GenerationRequest, client: EngineClient, conversation: Conversation) -> Render:
    async def render(_: tuple[Message, ...]) -> str:
        return await client.apply_template(chat_body(request, conversation, effective_think(request)))

    return render


@lru_cache(maxsize=64)
def _tell_of_default(name: str, text: str) -> None:
    """Say which template stands in, once for each model."""
    _log.warning("model %s has no template of its own; using %r", name, text)
