"""One generation over an engine that answers from a script: its events, its end, its record."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, cast

import pytest
from tests.inference.world import JINJA, ScriptedEngine, model_of, request_of, said

from puna.engine.errors import EngineError
from puna.inference.events import Finished, Started, Text
from puna.inference.generate import generate
from puna.scheduler.lease import Lease
from puna.scheduler.lender import Lender
from puna.service.local import SUBSCRIBERS
from puna.telemetry.log import seconds_of
from puna.telemetry.record import Record


class OneRunner:
    """A scheduler that lends one scripted engine."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def acquire(self, *_: Any) -> AsyncIterator[Lease]:
        runner: Any = SimpleNamespace(config=SimpleNamespace(engine=""))
        ticket: Any = None  # what it waited for does not matter here
        yield Lease(runner, self._engine, 1000, 7, ticket)


def lend(engine: ScriptedEngine) -> Lender:
    return cast(Lender, OneRunner(engine))


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
