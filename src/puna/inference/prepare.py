"""From a request to what the engine is asked: which path it takes, its prompt, cut to the context."""

import base64
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from puna.engine.client import EngineClient
from puna.engine.errors import ContextExceededError
from puna.inference.capabilities import fim_tokens, parse_template, require
from puna.inference.engine_body import chat_body, common_body, logprobs_for_completion
from puna.inference.engine_events import ChatDecoder, decode_completion
from puna.inference.events import Said, Truncation
from puna.inference.media.placing import with_marks
from puna.inference.output.events import OutputParser
from puna.inference.output.thinking import ThinkingParser
from puna.inference.output.tools import ToolCallParser
from puna.inference.prompt.defaults import default_template
from puna.inference.prompt.fit import fit, fit_gap, fit_tokens
from puna.inference.prompt.images import ImageCounter
from puna.inference.prompt.ollama_template import (
    OllamaTemplate,
    TemplateMessage,
    TemplateToolCall,
    TemplateValues,
    opens_thinking,
    thinking_tags,
    tool_call_prefix,
)
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Completion, Conversation, GenerationRequest, Infill, Message, Think
from puna.inference.text_decoder import TextDecoder

_log = logging.getLogger(__name__)

Decode = Callable[[Mapping[str, Any]], Iterable[Said]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One call of the engine: its route, its body, and how its events are read.

    ``prompt`` is the rendered prompt; ``None`` where the engine renders it (``chat`` then holds what its template is
    given). ``prefix`` are tokens that go before it. ``closing`` is the tag at which thinking ends and the format of the
    answer begins to bind; "" where it binds from the start. ``context`` is the tokens that the slot holds.
    """

    route: str
    body: dict[str, Any]
    decode: Decode
    prompt: str | None = None
    chat: Mapping[str, Any] | None = None
    prefix: tuple[int, ...] = ()
    stops: tuple[str, ...] = ()
    closing: str = ""
    context: int = 0
    truncation: Truncation | None = None

    async def rendered(self, client: EngineClient) -> str:
        """Return the prompt as text, whoever renders it."""
        if self.prompt is None:
            return await client.apply_template(self.chat or {})
        return self.prompt


async def prepare(request: GenerationRequest, client: EngineClient, context: int) -> Prepared:
    """Return the engine call for a request; raise an error with status 400 for what the model or context cannot do."""
    match request.input:
        case Completion():
            return await _completion(request, client, context, request.input)
        case Infill():
            return await _infill(request, client, context, request.input)
        case Conversation():
            if request.context:
                return await _continuation(request, client, context, request.input)
            template = await beside_the_loop(lambda: go_template(request))
            if template is None:
                return await _chat(request, client, context, request.input)
            return await _templated(request, client, context, request.input, template)


def go_template(request: GenerationRequest) -> OllamaTemplate | None:
    """Return the Go template that renders the request, or ``None`` when the engine renders the model's own."""
    text = request.template or request.model.template
    if not text and not request.model.gguf.chat_template:
        text = default_template(request.model.gguf)
        _tell_of_default(str(request.model.name), text)
    return parse_template(text) if text else None


@lru_cache(maxsize=64)
def _tell_of_default(name: str, text: str) -> None:
    """Say which template stands in, once for each model."""
    _log.warning("model %s has no template of its own; using %r", name, text)


def effective_think(request: GenerationRequest) -> Think:
    """Return whether to think: as asked, as the model's parameters say, else as Ollama does, if it can."""
    if not request.can_think:
        return None
    chosen = request.think if request.think is not None else request.options.think
    return True if chosen is None else chosen


async def _chat(request: GenerationRequest, client: EngineClient, context: int, conversation: Conversation) -> Prepared:
    """The model's own Jinja template, rendered and its answer parsed by the engine's chat endpoint."""
    think = effective_think(request)
    marker = await _media_marker(client, conversation.messages)
    pictures = ImageCounter(client)

    async def count(messages: tuple[Message, ...]) -> int:
        text = await client.apply_template(chat_body(request, replace(conversation, messages=messages), think))
        return len(await client.tokenize(text.replace(marker, ""))) + await pictures.count(messages)

    messages, truncation, tokens = conversation.messages, None, 0
    if not request.shift or _bound(request, conversation) >= context:
        messages, truncation = await fit(messages, count, context, truncate=request.truncate)
        tokens = 0 if request.shift else await count(messages)
    body = chat_body(request, replace(conversation, messages=messages), think)
    if request.has_format or (marker and (await client.apply_template(body)).endswith(marker)):
        # The chat endpoint's own grammars leave keywords out in silence; those of /completion do not.
        images = [image for message in messages for image in message.images]
        text = await client.apply_template(body)
        prepared = await _from_text(request, client, context, text, images, counted=tokens)
        return replace(_parsed(prepared, request, conversation, None), truncation=truncation)
    return Prepared(
        route="/v1/chat/completions",
        body=body | common_body(request, context, tokens),
        decode=ChatDecoder(request.options.stop).decode,
        chat=body,
        truncation=truncation,
    )


def _bound(request: GenerationRequest, conversation: Conversation) -> int:
    """Return a number that the prompt's tokens cannot exceed: no token is shorter than a byte."""
    said = sum(
        len(part.encode())
        for message in conversation.messages
        for part in (message.role, message.content, message.thinking, str(message.tool_calls), message.tool_name)
    )
    per_turn = _TURN_BOUND * len(conversation.messages)
    # A template may write the tools indented, and say things of its own.
    fixed = 4 * len(str(conversation.tools).encode()) + len(request.model.gguf.chat_template or "")
    images = sum(len(message.images) for message in conversation.messages)
    return said + per_turn + fixed + images * _IMAGE_BOUND


_TURN_BOUND = 256
_IMAGE_BOUND = 1 << 20
"""An image takes as many tokens as the projector likes, so that a prompt with one is never known to fit."""


async def _templated(
    request: GenerationRequest,
    client: EngineClient,
    context: int,
    conversation: Conversation,
    template: OllamaTemplate,
) -> Prepared:
    """A Go template, rendered here and sent as text."""
    think = effective_think(request)
    marker = await _media_marker(client, conversation.messages)
    pictures = ImageCounter(client)

    async def render(messages: tuple[Message, ...]) -> str:
        turns = [_template_message(message, marker) for message in messages]
        values = TemplateValues(messages=turns, tools=conversation.tools, think=think)
        return await beside_the_loop(lambda: template.render(values))

    async def count(messages: tuple[Message, ...]) -> int:
        text = (await render(messages)).replace(marker, "")
        return len(await client.tokenize(text)) + await pictures.count(messages)

    messages, truncation = await fit(conversation.messages, count, context, truncate=request.truncate)
    prompt = await render(messages)
    images = [image for message in messages for image in message.images]
    counted = await count(messages) if images and not request.shift else 0
    prepared = await _from_text(request, client, context, prompt, images, counted=counted)
    return replace(_parsed(prepared, request, conversation, template), truncation=truncation)


def _parsed(
    prepared: Prepared, request: GenerationRequest, conversation: Conversation, template: OllamaTemplate | None
) -> Prepared:
    """Return the call with its answer's text parsed for what the template (or the usual marks) announces."""
    tags = (template and thinking_tags(template)) or _USUAL_TAGS
    parsers: list[OutputParser] = []
    if tags and effective_think(request):
        parsers.append(ThinkingParser(*tags, opened=opens_thinking(prepared.prompt or "", tags)))
    closing = tags[1] if tags and parsers and request.has_format else ""
    if conversation.tools and template is not None:
        names = [str(tool["function"]["name"]) for tool in conversation.tools]
        parsers.append(ToolCallParser(tool_call_prefix(template), names))
    return replace(prepared, decode=_decoder(parsers, request.options.stop), closing=closing)


def _decoder(parsers: Sequence[OutputParser], stops: Sequence[str]) -> Decode:
    return TextDecoder(parsers, stops).decode if parsers or stops else decode_completion


_USUAL_TAGS = ("<think>", "</think>")


def _template_message(message: Message, marker: str) -> TemplateMessage:
    return TemplateMessage(
        role=message.role,
        content=with_marks(message.content, message.images, message.places, marker),
        thinking=message.thinking,
        tool_calls=tuple(TemplateToolCall(call.name, call.arguments, call.id) for call in message.tool_calls),
        tool_name=message.tool_name,
        tool_call_id=message.tool_call_id,
        image_count=len(message.images),
    )


async def _media_marker(client: EngineClient, messages: Iterable[Message]) -> str:
    """Return what the engine replaces by an image in the text of ``/completion``; "" where no message has any.

    Each runner has a marker of its own, which no text that a user sends can contain by accident.
    """
    if not any(message.images for message in messages):
        return ""
    properties = await client.get("/props")
    return str(properties.get("media_marker") or _OLD_MEDIA_MARKER)


_OLD_MEDIA_MARKER = "<__media__>"
"""The marker of engines that have only one."""


async def _continuation(
    request: GenerationRequest, client: EngineClient, context: int, conversation: Conversation
) -> Prepared:
    """Tokens of an earlier answer, then the new turn."""
    template = await beside_the_loop(lambda: go_template(request))
    marker = await _media_marker(client, conversation.messages)
    if template is None:
        prompt = await client.apply_template(chat_body(request, conversation, effective_think(request)))
    else:
        turns = [_template_message(message, marker) for message in conversation.messages]
        values = TemplateValues(messages=turns, think=effective_think(request))
        prompt = await beside_the_loop(lambda: template.render(values))
    images = [image for message in conversation.messages for image in message.images]
    if images:  # go with text only
        prompt = await client.detokenize(list(request.context)) + prompt
        counted = await _fitting(client, context, prompt.replace(marker, ""), images)
        prepared = await _from_text(request, client, context, prompt, images, counted=counted)
    else:
        prepared = await _from_text(request, client, context, prompt, prefix=request.context)
    return _parsed(prepared, request, conversation, template)


async def _completion(
    request: GenerationRequest, client: EngineClient, context: int, completion: Completion
) -> Prepared:
    prompt, images = completion.prompt, list(completion.images)
    if not images:
        return await _from_text(request, client, context, prompt)
    marker = await _media_marker(client, [Message(role="user", images=tuple(images))])
    counted = await _fitting(client, context, prompt, images)
    marked = with_marks(prompt, images, completion.places, marker)
    return await _from_text(request, client, context, marked, images, counted=counted)


async def _fitting(client: EngineClient, context: int, text: str, images: list[bytes]) -> int:
    """Return how many tokens a text and its images are; raise ``ContextExceededError`` if these are too many.

    Nothing of it is left out: what belongs to an image is not known.
    """
    pictures = await ImageCounter(client).count([Message(role="user", images=tuple(images))])
    total = len(await client.tokenize(text)) + pictures
    if total >= context:
        raise ContextExceededError(total, context)
    return total


async def _infill(request: GenerationRequest, client: EngineClient, context: int, gap: Infill) -> Prepared:
    text = request.template or request.model.template
    if text and "suffix" in (template := await beside_the_loop(lambda: parse_template(text))).variables:
        values = TemplateValues(prompt=gap.prefix, suffix=gap.suffix, think=effective_think(request))
        return await _from_text(request, client, context, await beside_the_loop(lambda: template.render(values)))
    require(request.model, request.name, "insert")
    # The engine has a route for this as well, but it cuts long texts without saying so.
    before, between, end = fim_tokens(request.model.gguf)
    beginning = [*await client.tokenize("", special=True), before]
    prefix = await client.tokenize(gap.prefix, special=False, parse_special=False)
    suffix = await client.tokenize(gap.suffix, special=False, parse_special=False)
    room = context - len(beginning) - 2
    prefix, suffix, truncation = fit_gap(prefix, suffix, room, context, truncate=request.truncate)
    tokens = [*beginning, *prefix, between, *suffix, end]
    body = {"prompt": tokens} | common_body(request, context, len(tokens)) | logprobs_for_completion(request)
    prompt = await client.detokenize(tokens)
    decode = _decoder([], request.options.stop)
    return Prepared("/completion", body, decode, prompt=prompt, truncation=truncation)


async def _from_text(
    request: GenerationRequest,
    client: EngineClient,
    context: int,
    prompt: str,
    images: list[bytes] | None = None,
    prefix: tuple[int, ...] = (),
    counted: int = 0,
) -> Prepared:
    """Return the call for a text, cut to the context unless it has images; then ``counted`` are its tokens."""
    if images:
        marker = await _media_marker(client, [Message(role="user", images=tuple(images))])
        if prompt.endswith(marker):  # the engine goes on from a token of text only, and crashes without one
            prompt, counted = f"{prompt}\n", counted + 1
        data = [base64.b64encode(image).decode() for image in images]
        truncation = None
        content: Any = {"prompt_string": prompt, "multimodal_data": data}
    else:
        tokens = [*prefix, *await client.tokenize(prompt, special=not prefix)]
        tokens = _without_doubled_bos(tokens, request)
        tokens, truncation = fit_tokens(tokens, request.options.num_keep, context, truncate=request.truncate)
        content, counted = tokens, len(tokens)
    body = {"prompt": content} | common_body(request, context, counted) | logprobs_for_completion(request)
    return Prepared(
        route="/completion",
        body=body,
        decode=_decoder([], request.options.stop),
        prompt=prompt,
        prefix=prefix,
        stops=request.options.stop,
        context=context,
        truncation=truncation,
    )


def _without_doubled_bos(tokens: list[int], request: GenerationRequest) -> list[int]:
    """Drop one of two beginnings of text: many templates write the token that the tokenizer adds as well."""
    bos = request.model.gguf.metadata.get("tokenizer.ggml.bos_token_id")
    return tokens[1:] if len(tokens) > 1 and tokens[0] == tokens[1] == bos else tokens
