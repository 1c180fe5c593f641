"""Thoughts first, in free text; then the answer, in the format asked for.

A grammar binds the whole of a generation, so an answer with a format after thinking takes two: one up to the tag that
ends the thinking, one from there on with the format. (Ollama does the same.) Thoughts may fill the context, but not
push its beginning out: the answer needs the whole of it.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from puna.engine.client import EngineClient
from puna.inference.engine_events import decode_completion
from puna.inference.events import Delta, Event, Finished
from puna.inference.prepare import Prepared

_BEFORE_ANSWER = "\n\n"
_LEAST_ANSWER = 16
"""Tokens of the context that are left for the answer and the tag before it."""


async def think_then_format(client: EngineClient, prepared: Prepared) -> AsyncGenerator[list[Event], None]:
    """Yield the events of both generations as if they were one."""
    body = {name: value for name, value in prepared.body.items() if name != "grammar"}
    body["stop"] = [*body["stop"], prepared.closing]
    if isinstance(body["prompt"], list):  # with images, only the engine knows how long it is
        room = prepared.context - len(body["prompt"]) - _LEAST_ANSWER
        body["n_predict"] = max(min(body["n_predict"], room), 1)
    raw: list[str] = []
    thoughts: Finished | None = None
    complete = False
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for engine_events in stream:
            raw += [event.get("content", "") for event in engine_events]
            complete = complete or any(_ends_thinking(event, prepared.closing) for event in engine_events)
            events = [event for engine_event in engine_events for event in prepared.decode(engine_event)]
            if any(isinstance(event, Delta) and event.content for event in events):
                raw, complete = [], True  # it answers without thinking: from the start, then, in the format
                break
            thoughts = next((event for event in events if isinstance(event, Finished)), thoughts)
            yield [event for event in events if isinstance(event, Delta)]
    if thoughts and not complete:
        yield [thoughts]
        return
    async for events in _formatted(client, prepared, "".join(raw), thoughts):
        yield events


def _ends_thinking(event: Mapping[str, Any], closing: str) -> bool:
    """Return whether the thoughts are complete: the tag came, or the model ended without one."""
    return event.get("stopping_word") == closing or event.get("stop_type") == "eos"


async def _formatted(
    client: EngineClient, prepared: Prepared, raw: str, thoughts: Finished | None
) -> AsyncGenerator[list[Event], None]:
    said = raw + prepared.closing + _BEFORE_ANSWER if thoughts else ""
    body = dict(prepared.body)
    body["prompt"] = await _extended(client, body["prompt"], said)
    if thoughts:
        body["n_predict"] = max(body["n_predict"] - thoughts.generated_tokens, 1)
    async with aclosing(client.stream(prepared.route, body)) as stream:
        async for engine_events in stream:
            events = [event for engine_event in engine_events for event in decode_completion(engine_event)]
            yield list(_merged(events, thoughts))


async def _extended(client: EngineClient, prompt: Any, text: str) -> Any:
    if isinstance(prompt, dict):  # with images
        return prompt | {"prompt_string": prompt["prompt_string"] + text}
    return [*prompt, *(await client.tokenize(text, special=False) if text else [])]


def _merged(events: Iterable[Event], thoughts: Finished | None) -> Iterable[Event]:
    for event in events:
        if isinstance(event, Finished) and thoughts:
            yield replace(
                thoughts,
                reason=event.reason,
                prompt_duration=thoughts.prompt_duration + event.prompt_duration,
                generated_tokens=thoughts.generated_tokens + event.generated_tokens,
                generation_duration=thoughts.generation_duration + event.generation_duration,
            )
        else:
            yield event
