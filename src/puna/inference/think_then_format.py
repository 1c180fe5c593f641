"""Thoughts first, in free text; then the answer, in the format asked for.

A grammar binds the whole of a generation, so an answer with a format after thinking takes two: one up to the tag that
ends the thinking, one from there on with the format. (Ollama does the same.) Thoughts may fill the context, but not
push its beginning out: the answer needs the whole of it.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from puna.engine.protocol import Engine
from puna.inference.events import Finished, Said, Text
from puna.inference.output.stop import StopParser, text_of
from puna.inference.prepare import Prepared
from puna.inference.text_decoder import TextDecoder

_LEAST_ANSWER = 16
"""Tokens of the context that are left for the answer and the tag before it."""


async def think_then_format(
    client: Engine, prepared: Prepared, *, ignore_eos: bool = False
) -> AsyncGenerator[list[Said], None]:
    """Yield the events of both generations as if they were one.

    ``ignore_eos`` is the option as asked for: nothing but a grammar is in its way.
    """
    body = {name: value for name, value in prepared.body.items() if name != "grammar"} | {"ignore_eos": ignore_eos}
    body["timings_per_token"] = True  # the call ends with the tag, before the engine would say how much it was
    if isinstance(body["prompt"], list):  # with images, only the engine knows how long it is
        room = prepared.context - len(body["prompt"]) - _LEAST_ANSWER
        body["n_predict"] = max(min(body["n_predict"], room), 1)
    limited = 0 <= prepared.budget < body["n_predict"]
    if limited:
        body["n_predict"] = max(prepared.budget, 1)
    raw: list[str] = []
    tag = StopParser([prepared.closing])
    thoughts: Finished | None = None
    complete = answering = False
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for engine_events in stream:
            events: list[Said] = []
            for engine_event in engine_events:
                event = _up_to(tag, engine_event)
                raw.append(event["content"])
                events += prepared.decode(event)
                if event.get("stop"):  # the tag came, or the model ended without one
                    complete = limited or event.get("stop_type") != "limit"
                    break
            answering = any(isinstance(event, Text) and event.text for event in events)
            if answering:
                break
            thoughts = next((event for event in events if isinstance(event, Finished)), None)
            yield [event for event in events if not isinstance(event, Finished)]
            if thoughts:
                break
    if answering:  # without thinking: from the start, then, in the format
        raw, thoughts = [], None
    elif thoughts and (thoughts.stop or not complete):
        yield [thoughts]
        return
    elif thoughts is None:
        return
    async for events in _formatted(client, prepared, "".join(raw), thoughts):
        yield events


def _up_to(tag: StopParser, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's event without ``tag`` and what follows it; with the tag it is the last."""
    content = text_of(tag.feed(event.get("content", "")))
    if tag.matched is not None:
        return {**event, "content": content, "stop": True, "stop_type": "word"}
    return {**event, "content": content + (text_of(tag.finish()) if event.get("stop") else "")}


async def _formatted(
    client: Engine, prepared: Prepared, raw: str, thoughts: Finished | None
) -> AsyncGenerator[list[Said], None]:
    said = raw + prepared.resume if thoughts else prepared.opening
    body = prepared.body | {"return_progress": False}
    body["prompt"] = await extended(client, body["prompt"], said)
    if thoughts:
        body["n_predict"] = max(body["n_predict"] - thoughts.generated_tokens, 1)
    decode = TextDecoder((), prepared.stops).decode
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for engine_events in stream:
            events = [event for engine_event in engine_events for event in decode(engine_event)]
            yield list(merged(events, thoughts))


async def extended(client: Engine, prompt: Any, text: str) -> Any:
    """Return a prompt, of tokens or with images, that goes on with a text."""
    if isinstance(prompt, dict):  # with images
        return prompt | {"prompt_string": prompt["prompt_string"] + text}
    return [*prompt, *(await client.tokenize(text, special=False) if text else [])]


def merged(events: Iterable[Said], thoughts: Finished | None) -> Iterable[Said]:
    """Yield events of what follows the thoughts, its end that of both."""
    for event in events:
        if isinstance(event, Finished) and thoughts:
            yield replace(
                thoughts,
                reason=event.reason,
                stop=event.stop,
                prompt_duration=thoughts.prompt_duration + event.prompt_duration,
                generated_tokens=thoughts.generated_tokens + event.generated_tokens,
                thinking_tokens=thoughts.generated_tokens,
                generation_duration=thoughts.generation_duration + event.generation_duration,
                drafted_tokens=thoughts.drafted_tokens + event.drafted_tokens,
                accepted_tokens=thoughts.accepted_tokens + event.accepted_tokens,
            )
        else:
            yield event
