"""One generation over an engine that answers from a script: its events, its end, its record."""

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, cast

import pytest
from tests.inference.world import JINJA, ScriptedEngine, model_of, request_of, said, text_of

from puna.engine.errors import EngineError, RunnerCrashedError
from puna.errors import BadRequestError
from puna.inference.events import Finished, Reading, Started, Text
from puna.inference.format.constraint import Constraint
from puna.inference.generate import check, generate
from puna.inference.requests import Conversation, GenerationRequest, Infill, Message, ToolChoice
from puna.scheduler.beginnings import Head
from puna.scheduler.exchanges import Exchange
from puna.scheduler.lease import Lease, RequestCanceledError
from puna.scheduler.lender import Lender
from puna.service.local import SUBSCRIBERS
from puna.telemetry.log import seconds_of
from puna.telemetry.record import DONE, FAILED, GONE, Record


class OneRunner:
    """A scheduler that lends one scripted engine."""

    def __init__(self, engine: ScriptedEngine, warm: Any = None) -> None:
        self._engine = engine
        self._warm = warm

    @asynccontextmanager
    async def acquire(self, *_: Any) -> AsyncIterator[Lease]:
        runner: Any = SimpleNamespace(config=SimpleNamespace(engine=""))
        ticket: Any = None  # what it waited for does not matter here
        yield Lease(runner, self._engine, 1000, 7, ticket, self._warm)


def lend(engine: ScriptedEngine, warm: Any = None) -> Lender:
    return cast(Lender, OneRunner(engine, warm))


@pytest.mark.parametrize("template", ["", "{{ .Prompt }}"])
@pytest.mark.parametrize("answer", [[], [{"content": "x"}], [{"choices": [{"delta": {"content": "x"}}]}]])
async def test_answer_that_breaks_off_is_an_error(tmp_path: Path, template: str, answer: list[dict[str, Any]]) -> None:
    model = model_of(tmp_path, {"tokenizer.chat_template": JINJA}, **{"template": template} if template else {})
    ends: list[Record] = []
    record = Record("1", "tiny", "", (ends.append,))
    with pytest.raises(EngineError, match="broke off"):
        async for _ in generate(lend(ScriptedEngine(answer)), request_of(model, "hi"), record=record):
            pass
    assert [(end.outcome, end.error) for end in ends] == [("failed", "EngineError")]


async def test_nothing_follows_the_end(tmp_path: Path) -> None:
    engine = ScriptedEngine([*said("a", "b!", "c"), {"content": "more"}])
    request = request_of(model_of(tmp_path, template="{{ .Prompt }}"), "hi", options={"stop": "!"})
    ends: list[Record] = []
    record = Record("1", "tiny", "", (ends.append,))
    events = [event async for batch in generate(lend(engine), request, record=record) for event in batch]
    assert isinstance(events[0], Started)
    assert "".join(event.text for event in events if isinstance(event, Text)) == "ab"
    assert [isinstance(event, Finished) for event in events] == [False] * (len(events) - 1) + [True]
    assert [(end.outcome, end.generated) for end in ends] == [("done", 2)]


class DyingEngine(ScriptedEngine):
    """An engine whose runner is lost where the script of an answer has ended without an end."""

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[list[dict[str, Any]], None]:
        async for events in super().stream(path, body):
            yield events
            if events[0].get("stop"):
                return
        raise RunnerCrashedError("it is lost")


async def test_an_answer_that_nobody_has_seen_begins_anew_when_its_runner_is_lost(tmp_path: Path) -> None:
    request = request_of(model_of(tmp_path, template="{{ .Prompt }}"), "hi", whole=True)
    engine = DyingEngine(said("lost", "so far")[:-1], said("a", "b"))
    events = [event async for batch in generate(lend(engine), request) for event in batch]
    assert text_of(events) == "ab"
    assert [type(event) for event in events].count(Finished) == 1
    engine = DyingEngine(said("lost", "so far")[:-1], said("a", "b"))
    with pytest.raises(RunnerCrashedError):
        async for _ in generate(lend(engine), replace(request, whole=False)):
            pass


async def test_the_context_of_an_answer_is_its_prompt_and_itself(tmp_path: Path) -> None:
    request = request_of(model_of(tmp_path, template="{{ .Prompt }}"), "hi", with_context=True)
    events = [event async for batch in generate(lend(ScriptedEngine(said("a", "b"))), request) for event in batch]
    end = events[-1]
    assert isinstance(end, Finished)
    assert await ScriptedEngine().detokenize(list(end.context)) == "^hiab"


def with_tool(folder: Path, choice: ToolChoice) -> GenerationRequest:
    tools = ({"type": "function", "function": {"name": "f", "parameters": None}},)
    asked = Conversation(messages=(Message(role="user", content="hi"),), tools=tools, tool_choice=choice)
    return request_of(model_of(folder, {"tokenizer.chat_template": JINJA}), asked)


def test_functions_without_parameters_have_a_schema_that_says_so(tmp_path: Path) -> None:
    asked = check(with_tool(tmp_path, ToolChoice())).input
    assert isinstance(asked, Conversation)
    assert asked.tools[0]["function"]["parameters"] == {"type": "object", "properties": {}}


async def test_a_call_that_must_be_has_no_format(tmp_path: Path) -> None:
    sent = []
    for form in ("", "json"):
        engine = ScriptedEngine(said("x"))
        request = replace(with_tool(tmp_path, ToolChoice("required")), format=form)
        async for _ in generate(lend(engine), request):
            pass
        sent.append(engine.asked)
    assert sent[0] == sent[1]


@pytest.mark.parametrize(("answer", "reason"), [("[1,2]", "stop"), ("[1,", "length")])
async def test_what_ends_with_stop_is_valid(tmp_path: Path, answer: str, reason: str) -> None:
    bound = Constraint("root ::= x", {"type": "array", "uniqueItems": True})
    request = request_of(model_of(tmp_path, template="{{ .Prompt }}"), "hi", format=bound)
    events = [event async for batch in generate(lend(ScriptedEngine(said(answer))), request) for event in batch]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == reason


class Warm:
    """Saved slots of which one holds the beginning of every prompt: 3 tokens, of which 2 were read ahead."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.noted: list[Exchange] = []

    async def begin(self, _: Any, head: Head) -> AsyncGenerator[tuple[int, int, int], None]:
        self.heads.append(head)
        yield 9, 0, 2
        head.slot, head.cached, head.read, head.duration = 4, 3, 2, 1_000_000

    def note(self, exchange: Exchange) -> None:
        self.noted.append(exchange)


@pytest.mark.parametrize("with_reading", [True, False])
async def test_what_was_read_ahead_counts_as_read(tmp_path: Path, with_reading: bool) -> None:
    request = request_of(model_of(tmp_path, template="{{ .Prompt }}"), "hi", with_reading=with_reading)
    engine, warm = ScriptedEngine(said("a", timings={"cache_n": 3, "prompt_n": 6, "prompt_ms": 2.0})), Warm()
    events = [event async for batch in generate(lend(engine, warm), request) for event in batch]
    assert [event for event in events if isinstance(event, Reading)] == ([Reading(9, 0, 2)] if with_reading else [])
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.prompt_tokens, end.cached_tokens, end.prompt_duration) == (9, 1, 3_000_000)
    assert engine.asked[0][1]["id_slot"] == 4
    assert [(noted.prompt, noted.answer) for noted in warm.noted] == [([1, *b"hi"], "a")]


@pytest.mark.parametrize(("options", "shares"), [({}, True), ({"lora": [{"id": 0, "scale": 0.5}]}, False)])
async def test_prompts_are_not_shared_with_those_of_other_adapters(
    tmp_path: Path, options: dict[str, Any], shares: bool
) -> None:
    model = model_of(tmp_path, template="{{ .Prompt }}")
    model.__dict__["adapters"] = (tmp_path / "one",)
    warm = Warm()
    async for _ in generate(lend(ScriptedEngine(said("a")), warm), request_of(model, "hi", options=options)):
        pass
    assert [head.shares for head in warm.heads] == [shares]


async def test_an_answer_with_thoughts_is_not_noted_as_what_the_next_prompt_repeats(tmp_path: Path) -> None:
    template = "{{ .Prompt }}{{ if .Think }}<think>{{ end }}{{ range .Messages }}{{ .Thinking }}{{ end }}"
    request = request_of(model_of(tmp_path, template=template), "hi", think=True)
    warm = Warm()
    async for _ in generate(lend(ScriptedEngine(said("hm", "</think>", "a")), warm), request):
        pass
    assert [noted.answer for noted in warm.noted] == [""]


async def test_a_record_tells_how_a_request_went(tmp_path: Path) -> None:
    request = request_of(model_of(tmp_path, template="{{ .Prompt }}"), "hi")
    ends: list[Record] = []
    done, left, cancelled = (Record(name, "tiny", "", (ends.append,)) for name in ("done", "left", "cancelled"))
    async for _ in generate(lend(ScriptedEngine(said("a", "b"))), request, record=done):
        pass
    events = generate(lend(ScriptedEngine(said("a", "b"))), request, record=left)
    await anext(events)
    await anext(events)
    await events.aclose()
    events = generate(lend(ScriptedEngine(said("a", "b"))), request, record=cancelled)
    await anext(events)
    with pytest.raises(RequestCanceledError):
        await events.athrow(RequestCanceledError())
    assert [(end.id, end.outcome) for end in ends] == [("done", DONE), ("left", GONE), ("cancelled", GONE)]
    assert 0 < done.ready <= done.first <= done.duration
    assert [(end.prompt, end.generated) for end in ends] == [(5, 2), (len("^hi"), 1), (0, 0)]
    assert FAILED not in {end.outcome for end in ends}


SOUND = b"RIFF\0\0\0\0WAVE"


@pytest.mark.parametrize(
    ("asked", "more", "lacks"),
    [
        (Infill(prefix="a", suffix="b"), {}, "insert"),
        ("hi", {"think": True}, "thinking"),
        (Conversation(messages=(Message(role="user", content="", images=(b"x",)),)), {}, "images"),
        (Conversation(messages=(Message(role="user", content="", images=(SOUND,)),)), {}, "audio"),
        (Conversation(messages=(), tools=({"type": "function", "function": {"name": "f"}},)), {}, "tools"),
    ],
)
def test_what_a_model_cannot_do_is_refused(tmp_path: Path, asked: Any, more: dict[str, Any], lacks: str) -> None:
    with pytest.raises(BadRequestError, match=f'^"tiny:latest" does not support {lacks}$'):
        check(request_of(model_of(tmp_path, template="{{ .Prompt }}"), asked, **more))


def test_adapters_are_those_of_the_model(tmp_path: Path) -> None:
    model = model_of(tmp_path, template="{{ .Prompt }}")
    model.__dict__["adapters"] = (tmp_path / "one",)
    check(request_of(model, "hi", options={"lora": [{"id": 0}]}))
    with pytest.raises(BadRequestError, match="the model's 1 adapters"):
        check(request_of(model, "hi", options={"lora": [{"id": 1}]}))


async def test_speed_is_that_of_the_engine_also_where_everything_comes_at_once(tmp_path: Path) -> None:
    engine = ScriptedEngine(said(*"abcdefghi"))
    ends: list[Record] = []
    record = Record("1", "tiny", "", (ends.append,))
    async for _ in generate(
        lend(engine), request_of(model_of(tmp_path, template="{{ .Prompt }}"), "hi"), record=record
    ):
        pass
    (end,) = ends
    assert (end.generated, end.steps) == (9, 8)
    assert seconds_of(end)["speed"] == round(8 / (9 * 1.5e-3), 2)
    assert seconds_of(Record("2", "tiny", "", generated=9, first=1, duration=2))["speed"] == 0


async def test_telemetry_does_nothing_for_a_token(tmp_path: Path) -> None:
    async def steps(tokens: int) -> int:
        """Return how many functions of telemetry are called for an answer of so many tokens."""
        record = Record("1", "tiny", "", SUBSCRIBERS)
        model = model_of(tmp_path, template="{{ .Prompt }}")
        engine = ScriptedEngine(said(*"x" * tokens))
        calls = 0

        def seen(frame: FrameType, event: str, _: object) -> None:
            nonlocal calls
            calls += event == "call" and "/puna/telemetry/" in frame.f_code.co_filename

        sys.setprofile(seen)
        try:
            async for _ in generate(lend(engine), request_of(model, "hi"), record=record):
                pass
        finally:
            sys.setprofile(None)
        assert record.generated == tokens
        return calls

    await steps(20)  # the first of a model makes its series
    assert await steps(200) == await steps(20) > 0
