"""One generation: a runner is borrowed, the prompt prepared, the engine's stream turned into events."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from puna.engine.engines import about_of
from puna.engine.errors import ContextExceededError, EngineError, RunnerCrashedError
from puna.engine.prompt_gate import is_long
from puna.engine.protocol import Engine
from puna.inference.capabilities import capabilities, require
from puna.inference.events import Event, Finished, Reading, Said, Started, Text
from puna.inference.format.constraint import Constraint, bind
from puna.inference.media.kinds import is_sound
from puna.inference.media.ready import ready
from puna.inference.option_checks import InvalidOptionError
from puna.inference.prepare import Prepared, prepare
from puna.inference.prompt.ollama_values import tools_in_order
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Completion, Conversation, GenerationRequest, Infill
from puna.inference.think_then_format import think_then_format
from puna.inference.thinking_budget import within_budget
from puna.inference.unread import readable
from puna.inference.watching import Watcher, tell
from puna.models.model import Model
from puna.scheduler.beginnings import Head
from puna.scheduler.exchanges import Exchange
from puna.scheduler.launch import token_count
from puna.scheduler.lease import Caller, Lease, RequestCanceledError
from puna.scheduler.lender import Lender
from puna.scheduler.options import RunnerOptions
from puna.telemetry.record import DONE, FAILED, GONE, Record

_ANY_LENGTH = 1 << 40
"""Tokens: a context for prompts that nobody generates from."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The only event of a dry run: the prompt as the model would get it."""

    prompt: str
    images: int


async def generate(
    scheduler: Lender,
    request: GenerationRequest,
    keep_alive: float | None = None,
    caller: Caller | None = None,
    record: Record | None = None,
    watchers: Sequence[Watcher] = (),
) -> AsyncGenerator[list[Event], None]:
    """Yield the events of one generation, those that arrived together as one list; ``Finished`` is the last.

    Closing the iterator ends the generation in the engine. Raises a ``PunaError`` before the first event for what
    cannot be done, and ``RunnerCrashedError`` at any time. A runner that is lost before anything of the answer has
    arrived is replaced once, and nobody notices; if the answer is to be ``whole``, at any time before its end.
    ``record`` is filled on the way, and published however it ends; ``watchers`` are told what the runner is asked.
    """
    caller = caller or Caller()
    record = record or Record(caller.id, str(request.model.name), "")
    started = answering = False
    held: list[Event] = []
    length = 0
    try:
        request = await ready(await _checked(request))
        options = replace(request.options.runner, logprobs=request.logprobs)
        while True:
            try:
                async with scheduler.acquire(request.model, options, keep_alive, caller) as lease:
                    record.ready, record.load = record.elapsed(), lease.loading
                    prepared = _for_engine(request, await prepare(request, lease.client, lease.context), lease)
                    if watchers:
                        await tell(watchers, request, prepared, lease)
                    if not started:
                        started = True
                        yield [Started(lease.load_duration)]
                    head = Head(Exchange(_prompt(prepared)), long=is_long(prepared.body), shares=_shares(prepared))
                    if lease.warm:
                        async with aclosing(lease.warm.begin(lease.client, head)) as reading:
                            async for progress in reading:
                                if request.with_reading:
                                    yield [Reading(*progress)]
                        prepared = _begun(prepared, head)
                    async with aclosing(_answer(request, prepared, lease, head)) as answer:
                        async for events in answer:
                            if not answering:
                                length = _read_length(events) or length
                                events = events if request.with_reading else _without_reading(events)
                                if not events:
                                    continue
                            if not answering and not isinstance(events[-1], Reading):
                                answering, record.first = True, record.elapsed()
                                record.prompt = _known_length(prepared) or length
                            if answering:
                                record.generated += len(events)  # until the engine tells: a client may leave before
                            if isinstance(events[-1], Finished):
                                record.generated = 0
                                record.count(*events[-1].counts)
                                record.end(DONE)
                                yield [*held, *events]
                                return
                            if request.whole and answering:
                                held += events
                            else:
                                yield events
            except RunnerCrashedError as error:
                if answering and not request.whole:
                    raise
                caller = caller.after(error)
                answering, record.generated = False, 0
                held.clear()
    except Exception as error:
        record.end(outcome_of(error), type(error).__name__)
        raise
    finally:
        record.end(GONE)  # it was closed or cancelled: nobody waits for it any more


async def _checked(request: GenerationRequest) -> GenerationRequest:
    """Return the request checked, with what binds its answer made of its format, before anything is loaded for it."""
    if not request.model.is_read or request.model.template:  # either takes long to read
        asked_first = request
        request = await beside_the_loop(lambda: check(asked_first))
    else:
        request = check(request)
    if isinstance(request.input, Conversation) and request.input.tools:
        asked, tools = request.input, request.input.tools
        request = replace(
            request, input=replace(asked, tools=tuple(await beside_the_loop(lambda: tools_in_order(tools))))
        )
        if asked.tool_choice.mode == "required":
            request = replace(request, format="")  # a call is no text that could have one
    return replace(request, format=await bind(request.format, request.options.sampling.get("grammar", "")))


def _for_engine(request: GenerationRequest, prepared: Prepared, lease: Lease) -> Prepared:
    """Return the call in a form that a native engine answers as the portable one does, with what only some read."""
    engine = lease.runner.config.engine
    if not engine:
        return prepared
    body = dict(prepared.body)
    if about_of(engine).predicts:
        body |= _guesses(request)
    if _has_images(request):
        # llama.cpp 0.5 refuses a prompt that parts between two images from the one that its slot holds.
        body["cache_prompt"] = False
    return replace(prepared, body=body)


def _guesses(request: GenerationRequest) -> dict[str, Any]:
    """Return what the engine may take for what comes next: the prediction, else what the prompt says already."""
    if request.prediction:
        return {"puna_prediction": request.prediction}
    return {"puna_lookup": True} if request.options.runner.draft_num_predict else {}


def _has_images(request: GenerationRequest) -> bool:
    match request.input:
        case Conversation(messages=messages):
            return any(message.images for message in messages)
        case Completion(images=images):
            return bool(images)
    return False


def _shares(prepared: Prepared) -> bool:
    """Return whether other prompts may begin with the state of this one: not if adapters have their part in it."""
    return prepared.body.get("cache_prompt", True) and "lora" not in prepared.body


def _begun(prepared: Prepared, head: Head) -> Prepared:
    """Return the call in the slot that holds the beginning of its prompt."""
    return prepared if head.slot is None else replace(prepared, body=prepared.body | {"id_slot": head.slot})


def _known_length(prepared: Prepared) -> int:
    """Return the tokens of a prompt that is sent as tokens; 0 for another, which only the engine counts."""
    prompt = prepared.body.get("prompt")
    return len(prompt) if isinstance(prompt, list) else 0


def _read_length(events: Sequence[Event]) -> int:
    """Return how many tokens the prompt has, as the engine tells while it reads it; 0 where it does not."""
    return next((event.prompt_tokens for event in events if isinstance(event, Reading)), 0)


def _without_reading(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Reading)]


def _prompt(prepared: Prepared) -> list[int] | Mapping[str, Any]:
    """Return the prompt as tokens, or as what the engine's template is given."""
    tokens: list[int] = prepared.body.get("prompt", [])
    return tokens if prepared.chat is None else prepared.chat


async def _answer(
    request: GenerationRequest, prepared: Prepared, lease: Lease, head: Head
) -> AsyncGenerator[list[Event], None]:
    stream, decode = _call(request, lease.client, prepared)
    said: list[str] = []
    plain, begun = True, False
    only_once = request.format.filter() if isinstance(request.format, Constraint) else None
    events: list[Event] = []
    end: Finished | None = None
    try:
        async with aclosing(stream) as batches:
            async for batch in batches:
                begun = True
                events = []
                for item in batch:
                    for event in decode(item):
                        if isinstance(event, Finished):
                            end = _with_beginning(event, head)
                            break
                        if isinstance(event, Text):
                            if only_once:
                                event = event._replace(text=only_once.feed(event.text))
                                if not event.text and not event.logprobs:
                                    continue
                            said.append(event.text)
                        elif isinstance(event, Reading):
                            event = replace(event, cached_tokens=max(event.cached_tokens - head.read, 0))
                        else:
                            plain = False
                        events.append(event)
                    if end:
                        break
                if end:
                    break  # what the engine sends or meets with now is of no interest to anybody
                if events:
                    yield events
        if end is None:
            raise EngineError("the engine's answer broke off")
        if only_once and end.reason == "stop" and not only_once.is_valid():
            end = replace(end, reason="length")
        yield [*events, await _finish(request, prepared, lease, end, "".join(said))]
    finally:
        if lease.warm and begun:  # a template leaves out thoughts of the past, and may write a call in another way
            lease.warm.note(Exchange(_prompt(prepared), "".join(said) if plain else ""))


def _with_beginning(end: Finished, head: Head) -> Finished:
    """Return the counts with what was read ahead of the call, which it has found cached."""
    if not head.read:
        return end
    return replace(
        end,
        cached_tokens=max(end.cached_tokens - head.read, 0),
        prompt_duration=end.prompt_duration + head.duration,
    )


def _call(
    request: GenerationRequest, client: Engine, prepared: Prepared
) -> tuple[AsyncGenerator[list[Any], None], Callable[[Any], Iterable[Said]]]:
    """Return what the engine answers, and what makes events of each item of it."""
    if prepared.closing:
        ignore_eos = request.options.sampling.get("ignore_eos", False)
        return think_then_format(client, prepared, ignore_eos=ignore_eos), lambda event: (event,)
    if prepared.budget >= 0:
        return within_budget(client, prepared), lambda event: (event,)
    if prepared.as_text:
        return readable(client, prepared, request.name), lambda event: (event,)
    return client.stream(prepared.route, prepared.body), prepared.decode


async def render(
    scheduler: Lender, request: GenerationRequest, keep_alive: float | None = None, caller: Caller | None = None
) -> Rendered:
    """Return the prompt that ``generate`` would send, without generating; of one that would be too long, all."""
    request = await ready(await _checked(request))

    async def work(lease: Lease) -> Rendered:
        prepared = await prepare(request, lease.client, lease.context if request.truncate else _ANY_LENGTH)
        images = sum(len(message.images) for message in getattr(request.input, "messages", ()))
        return Rendered(await prepared.rendered(lease.client), images)

    return await scheduler.run(request.model, request.options.runner, work, keep_alive=keep_alive, caller=caller)


async def count(
    scheduler: Lender, request: GenerationRequest, keep_alive: float | None = None, caller: Caller | None = None
) -> int:
    """Return how many tokens the prompt has that ``generate`` would send, pictures and sounds included."""
    request = await ready(await _checked(replace(request, truncate=True)))

    async def work(lease: Lease) -> int:
        try:
            prepared = await prepare(replace(request, truncate=False, shift=False), lease.client, lease.context)
        except ContextExceededError as error:
            return error.prompt_tokens
        return await prepared.tokens(lease.client)

    return await scheduler.run(request.model, request.options.runner, work, keep_alive=keep_alive, caller=caller)


async def load(
    scheduler: Lender,
    model: Model,
    options: RunnerOptions,
    keep_alive: float | None = None,
    caller: Caller | None = None,
) -> Started:
    """Bring a model into memory and return how long that took."""
    async with scheduler.acquire(model, options, keep_alive, caller) as lease:
        return Started(lease.load_duration)


def check(request: GenerationRequest) -> GenerationRequest:
    """Return the request with what its model can do filled in; raise ``UnsupportedError`` for what it cannot."""
    name = request.name
    match request.input:
        case Conversation(messages=messages, tools=tools):
            require(request.model, name, "completion", "chat")
            if tools:
                require(request.model, name, "tools")
            _require_senses(request, [image for message in messages for image in message.images])
        case Completion(images=images):
            require(request.model, name, "completion", "generate")
            _require_senses(request, images)
        case Infill():
            require(request.model, name, "insert")
    if request.think:
        require(request.model, name, "thinking")
    for adapter in request.options.sampling.get("lora", ()):
        if adapter["id"] >= len(request.model.adapters):
            raise InvalidOptionError("lora", f"given for the model's {len(request.model.adapters)} adapters")
    if biases := request.options.sampling.get("logit_bias"):
        _require_tokens(request.model, [token for token, _ in biases if isinstance(token, int)])
    return replace(request, input=_complete(request.input), can_think="thinking" in capabilities(request.model))


def _require_tokens(model: Model, tokens: Sequence[int]) -> None:
    """Raise ``InvalidOptionError`` for biases of tokens that the model has not got, which the engine passes over: their
    ids are those of another tokenizer, and so are all others."""
    known = token_count(model.gguf)
    if known and tokens and max(tokens) >= known:
        raise InvalidOptionError("logit_bias", f"given for token ids below {known}, and {max(tokens)} is none")


def _require_senses(request: GenerationRequest, images: Iterable[bytes]) -> None:
    heard = {is_sound(image) for image in images}
    if False in heard:
        require(request.model, request.name, "vision", "images")
    if True in heard:
        require(request.model, request.name, "audio")


def _complete(asked: Conversation | Completion | Infill) -> Conversation | Completion | Infill:
    """Give functions without parameters a schema that says so, which templates and the engine rely on."""
    if not isinstance(asked, Conversation) or not asked.tools:
        return asked
    tools = tuple(tool | {"function": tool["function"] | _parameters(tool["function"])} for tool in asked.tools)
    return replace(asked, tools=tools)


def _parameters(function: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in (function.get("parameters") or {}).items() if value is not None}
    return {"parameters": {"type": "object", "properties": {}} | given}


async def _finish(
    request: GenerationRequest, prepared: Prepared, lease: Lease, event: Finished, answer: str
) -> Finished:
    tokens: tuple[int, ...] = ()
    if request.with_context:
        client = lease.client
        text = await prepared.rendered(client) + answer
        tokens = (*prepared.prefix, *await client.tokenize(text, special=not prepared.prefix))
    return replace(event, truncation=prepared.truncation, context=tokens)


def outcome_of(error: Exception) -> str:
    """Return how a request ended that an error has ended: one that somebody cancelled has not failed."""
    return GONE if isinstance(error, RequestCanceledError) else FAILED
