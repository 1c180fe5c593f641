"""One call of the engine, and what every kind of input needs to make it."""

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from puna.engine.errors import ContextExceededError
from puna.engine.protocol import Engine, Route
from puna.inference.engine_body import common_body, logprobs_for_completion
from puna.inference.engine_events import decode_completion
from puna.inference.events import Said, Truncation
from puna.inference.output.events import OutputParser
from puna.inference.prompt.fit import fit_tokens
from puna.inference.prompt.images import ImageCounter
from puna.inference.requests import GenerationRequest, Message
from puna.inference.text_decoder import TextDecoder

Decode = Callable[[Mapping[str, Any]], Iterable[Said]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One call of the engine: its route, its body, and how its events are read.

    ``prompt`` is the rendered prompt; ``None`` where the engine renders it (``chat`` then holds what its template is
    given). ``prefix`` are tokens that go before it. ``closing`` is the mark at which thinking ends and the format of
    the answer begins to bind; "" where it binds from the start. ``resume`` is the text between such thoughts and the
    answer, ``opening`` that before an answer without any. ``budget`` is how many tokens the thoughts may have,
    negative for no limit of their own, and ``after_thoughts`` what the body has instead once they are over. Where an
    answer does not begin inside its thoughts, they begin with ``thought``; a call between the ``call_marks`` ends them.
    ``context`` is the tokens that the slot holds, ``counted`` those of a prompt with images, where that is known.
    ``as_text`` makes the call that asks for the same as text, where the engine reads the answer and may fail to.
    """

    route: Route
    body: dict[str, Any]
    decode: Decode
    prompt: str | None = None
    chat: Mapping[str, Any] | None = None
    prefix: tuple[int, ...] = ()
    stops: tuple[str, ...] = ()
    closing: str = ""
    resume: str = ""
    opening: str = ""
    budget: int = -1
    thought: str = ""
    call_marks: tuple[str, str] | None = None
    after_thoughts: Mapping[str, Any] = field(default_factory=dict)
    context: int = 0
    counted: int = 0
    truncation: Truncation | None = None
    as_text: "Callable[[], Awaitable[Prepared]] | None" = None

    async def tokens(self, client: Engine) -> int:
        """Return how many tokens the prompt has, its pictures and sounds included."""
        if self.chat is not None:
            return await client.count_tokens(self.chat)
        prompt = self.body["prompt"]
        return len(prompt) if isinstance(prompt, list) else self.counted

    async def rendered(self, client: Engine) -> str:
        """Return the prompt as text, whoever renders it."""
        if self.prompt is None:
            return await client.apply_template(self.chat or {})
        return self.prompt


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to go on with, in which the engine's marker stands for each of ``images``.

    ``prefix`` are tokens that go before it, ``counted`` its tokens where that is known and has images, ``truncation``
    what was left out of it.
    """

    text: str
    images: Sequence[bytes] = ()
    prefix: tuple[int, ...] = ()
    counted: int = 0
    truncation: Truncation | None = None


def decoder(parsers: Sequence[OutputParser], stops: Sequence[str]) -> Decode:
    """Return what reads the engine's events through parsers, up to the first of the stop strings."""
    return TextDecoder(parsers, stops).decode if parsers or stops else decode_completion


async def marker_for(client: Engine, messages: Iterable[Message]) -> str:
    """Return the marker, "" where no message has an image."""
    return await client.media_marker() if any(message.images for message in messages) else ""


async def fitting(client: Engine, context: int, text: str, images: Sequence[bytes]) -> int:
    """Return how many tokens a text and its images are; raise ``ContextExceededError`` if these are too many.

    Nothing of it is left out: what belongs to an image is not known.
    """
    pictures = await ImageCounter(client).count([Message(role="user", images=tuple(images))])
    total = await client.token_count(text) + pictures
    if total >= context:
        raise ContextExceededError(total, context)
    return total


async def from_text(request: GenerationRequest, client: Engine, context: int, prompt: Prompt) -> Prepared:
    """Return the call for a prompt, cut to the context unless it has images."""
    bos = request.model.gguf.metadata.get("tokenizer.ggml.bos_token_id")
    text, truncation, counted = prompt.text, prompt.truncation, prompt.counted
    if prompt.images:
        if text.endswith(await client.media_marker()):
            # The engine goes on from a token of text only, and crashes without one.
            text, counted = f"{text}\n", counted + 1
        data = [base64.b64encode(image).decode() for image in prompt.images]
        begun = await _without_doubled_beginning(client, text, bos)
        content: Any = {"prompt_string": begun, "multimodal_data": data}
    else:
        tokens = [*prompt.prefix, *await client.tokenize(text, special=not prompt.prefix)]
        tokens = tokens[1:] if _is_doubled(tokens, bos) else tokens
        tokens, cut = fit_tokens(tokens, request.options.num_keep, context, truncate=request.truncate)
        content, counted, truncation = tokens, len(tokens), truncation or cut
    body = {"prompt": content} | common_body(request, context, counted) | logprobs_for_completion(request)
    if prompt.images:
        body["return_progress"] = True  # nobody else counts them
    return Prepared(
        route=Route.COMPLETION,
        body=body,
        decode=decoder([], request.options.stop),
        prompt=text,
        prefix=prompt.prefix,
        stops=request.options.stop,
        context=context,
        counted=counted,
        truncation=truncation,
    )


def _is_doubled(tokens: Sequence[int], bos: object) -> bool:
    """Return whether text begins twice: many templates write the token that the tokenizer adds as well."""
    return len(tokens) > 1 and tokens[0] == tokens[1] == bos


async def _without_doubled_beginning(client: Engine, text: str, bos: object) -> str:
    """Return a text that the engine will tokenize itself without the beginning that it adds."""
    tokens = await client.tokenize(text[:_BEGINNING])
    return text.removeprefix(await client.detokenize(tokens[:1])) if _is_doubled(tokens, bos) else text


_BEGINNING = 64
"""More characters than the text of a token has that begins a text."""
