"""Whole answers, put together out of their events."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson

from puna.inference.events import CallArguments, CallStarted, Event, Finished, Logprob, Started, Text, Thought
from puna.inference.output.calls import lenient_object
from puna.inference.requests import ToolCall


@dataclass(frozen=True, slots=True)
class Call:
    """A function's call as it was written; ``arguments`` is only the beginning of an object if it was cut off."""

    index: int
    id: str
    name: str
    arguments: str

    @property
    def complete(self) -> ToolCall | None:
        """Return the call if its arguments are an object."""
        arguments = _object(self.arguments or "{}")
        return None if arguments is None else ToolCall(name=self.name, arguments=arguments, id=self.id)

    @property
    def text(self) -> str:
        """Return what was written, for whoever cannot be told of half a call."""
        return f'{{"name": {orjson.dumps(self.name).decode()}, "arguments": {self.arguments}'


class Calls:
    """The calls of one answer, put together while it goes on."""

    def __init__(self) -> None:
        self._begun: dict[int, tuple[CallStarted, list[str]]] = {}

    def start(self, event: CallStarted) -> None:
        """Take note of a call."""
        self._begun[event.call] = event, []

    def add(self, event: CallArguments) -> None:
        """Take the next piece of a call's arguments."""
        self._begun[event.call][1].append(event.text)

    def take(self, event: CallArguments) -> ToolCall | None:
        """Take the next piece, and return and forget the call that is complete with it."""
        self.add(event)
        if not event.text.rstrip().endswith("}"):
            return None
        call = self._call(event.call).complete
        if call:
            del self._begun[event.call]
        return call

    def all(self) -> tuple[Call, ...]:
        """Return the calls in their order; arguments that JSON only nearly is are made JSON."""
        return tuple(_strict(self._call(index)) for index in sorted(self._begun))

    def _call(self, index: int) -> Call:
        start, pieces = self._begun[index]
        return Call(index, start.id, start.name, "".join(pieces))


@dataclass(frozen=True, slots=True)
class Answer:
    """What one choice said, how it began and how it ended."""

    text: str
    thinking: str
    calls: tuple[Call, ...]
    logprobs: tuple[Logprob, ...]
    started: Started
    end: Finished


@dataclass(frozen=True, slots=True)
class Said:
    """What one choice has said, with calls as far as they were written."""

    text: str
    thinking: str
    calls: tuple[Call, ...]


@dataclass(slots=True)
class _Choice:
    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    calls: Calls = field(default_factory=Calls)
    logprobs: list[Logprob] = field(default_factory=list)
    end: Finished | None = None


class Collector:
    """Puts the choices of one request together; their events may come in any order."""

    def __init__(self) -> None:
        self._started = Started(0)
        self._choices: dict[int, _Choice] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Take the next events."""
        for event in events:
            if isinstance(event, Started):
                self._started = event
                continue
            choice = self._choices.setdefault(event.choice, _Choice())
            if isinstance(event, Text):
                choice.text.append(event.text)
            elif isinstance(event, Thought):
                choice.thinking.append(event.text)
            elif isinstance(event, CallStarted):
                choice.calls.start(event)
            elif isinstance(event, CallArguments):
                choice.calls.add(event)
            elif isinstance(event, Finished):
                choice.end = event
            if isinstance(event, Text | Thought | CallStarted | CallArguments):
                choice.logprobs += event.logprobs

    def so_far(self) -> list[Said]:
        """Return what has been said of each choice, in their order, whether it has ended or not."""
        return [
            Said("".join(choice.text), "".join(choice.thinking), choice.calls.all())
            for _, choice in sorted(self._choices.items())
        ]

    def answers(self) -> list[Answer]:
        """Return the answers that have ended, in the order of their choices."""
        return [
            Answer(
                "".join(choice.text),
                "".join(choice.thinking),
                choice.calls.all(),
                tuple(choice.logprobs),
                self._started,
                choice.end,
            )
            for _, choice in sorted(self._choices.items())
            if choice.end
        ]


async def whole(events: AsyncGenerator[list[Event], None]) -> list[Answer]:
    """Return the answers that ``events`` are, one for each choice; raises what they raise."""
    collector = Collector()
    async with aclosing(events):
        async for batch in events:
            collector.add(batch)
    answers = collector.answers()
    if not answers:
        raise ValueError("the events of an answer have no end")
    return answers


def _strict(call: Call) -> Call:
    try:
        orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        arguments = lenient_object(call.arguments)
        if arguments is not None:
            return Call(call.index, call.id, call.name, orjson.dumps(arguments).decode())
    return call if call.arguments else Call(call.index, call.id, call.name, "{}")


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return lenient_object(text)
    return value if isinstance(value, dict) else None
