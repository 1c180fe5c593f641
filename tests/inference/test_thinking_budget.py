"""Thoughts that may have so many tokens: two generations that look like one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.inference.world import ScriptedEngine, calls_of, model_of, request_of, said, text_of, thinking_of

from puna.inference.events import Event, Finished
from puna.inference.prepare import prepare
from puna.inference.requests import Conversation, Message
from puna.inference.thinking_budget import within_budget

TEMPLATE = "{{ range .Messages }}{{ .Content }}{{ end }}{{ if .Think }}<think>{{ end }}"


async def run(
    folder: Path, *answers: list[dict[str, Any]], **options: Any
) -> tuple[ScriptedEngine, str, str, Finished]:
    """Return the engine with what it was asked, the thinking, the content, and the end."""
    engine = ScriptedEngine(*answers)
    asked = replace(request_of(model_of(folder, template=TEMPLATE), "hi", think=True, options=options), can_think=True)
    events = [
        event async for batch in within_budget(engine, await prepare(asked, engine, context=500)) for event in batch
    ]
    *pieces, end = events
    assert isinstance(end, Finished)
    assert not any(isinstance(piece, Finished) for piece in pieces), "one end, and that is the last"
    return engine, thinking_of(pieces), text_of(pieces), end


async def test_thoughts_end_with_their_budget(tmp_path: Path) -> None:
    answers = said("a", "b", "c", "d"), said("x", "y")
    engine, thinking, content, end = await run(tmp_path, *answers, thinking_budget=2, num_predict=9)
    assert (thinking, content) == ("ab", "xy")
    first, second = (body for _, body in engine.asked)
    assert second["prompt"][len(first["prompt"]) :] == [ord(letter) for letter in "ab</think>\n\n"]
    assert (first["n_predict"], second["n_predict"]) == (9, 7), "the limit is that of both"
    assert (end.reason, end.thinking_tokens, end.generated_tokens) == ("stop", 2, 4)


@pytest.mark.parametrize("budget", [0, 1])
async def test_no_budget_is_one_of_a_token(tmp_path: Path, budget: int) -> None:
    _, thinking, content, _ = await run(tmp_path, said("a", "b"), said("x"), thinking_budget=budget)
    assert (thinking, content) == ("a", "x")


async def test_an_answer_has_a_token_though_thoughts_took_them_all(tmp_path: Path) -> None:
    engine, *_ = await run(tmp_path, said("a", "b", "c"), said("x"), thinking_budget=2, num_predict=2)
    assert engine.asked[1][1]["n_predict"] == 1


@pytest.mark.parametrize("pieces", [("a", "</think>x"), ("a", "</think>", "x", "y", "z")])
async def test_thoughts_within_their_budget_are_one_generation(tmp_path: Path, pieces: tuple[str, ...]) -> None:
    engine, thinking, content, end = await run(tmp_path, said(*pieces), thinking_budget=3)
    assert (thinking, content) == ("a", "".join(pieces).partition("</think>")[2])
    assert (len(engine.asked), end.generated_tokens) == (1, len(pieces))


async def test_what_follows_the_thoughts_unseen_is_not_counted_as_theirs(tmp_path: Path) -> None:
    """Blanks are left out there, and a call is held back until it is whole."""
    engine, thinking, content, _ = await run(tmp_path, said("a", "</think>", "\n", "\n", "\n", "x"), thinking_budget=3)
    assert (len(engine.asked), thinking, content.strip()) == (1, "a", "x")


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
NEVER_THOUGHT = {
    "gemma4": ('<|tool_call>call:weather{city:<|"|>Lhasa<|"|>}', "<tool_call|>"),
    "harmony": ("<|channel|>commentary to=functions.weather<|message|>", '{"city":"Lhasa"}'),
    "qwen3.5": (
        "<tool_call>\n<function=weather>\n",
        "<parameter=city>\nLhasa\n</parameter>\n</function>\n</tool_call>",
    ),
    "lfm2-thinking": ("<|tool_call_start|>[weather(", 'city="Lhasa")]<|tool_call_end|>'),
}


async def answered(folder: Path, parser: str, budget: int, *answers: list[dict[str, Any]]) -> list[Event]:
    """Return the events of an answer that may call a function."""
    engine = ScriptedEngine(*answers)
    asked = Conversation(messages=(Message(role="user", content="Weather?"),), tools=(WEATHER,))
    model = model_of(folder, parser=parser, template="{{ range .Messages }}{{ .Content }}{{ end }}")
    request = replace(request_of(model, asked, think=True, options={"thinking_budget": budget}), can_think=True)
    prepared = await prepare(request, engine, context=500)
    return [event async for batch in within_budget(engine, prepared) for event in batch]


@pytest.mark.parametrize("parser", NEVER_THOUGHT)
async def test_a_call_without_thoughts_before_it_is_no_thought(tmp_path: Path, parser: str) -> None:
    events = await answered(tmp_path, parser, 1, said(*NEVER_THOUGHT[parser]))
    assert [(call.name, call.arguments) for call in calls_of(events)] == [("weather", {"city": "Lhasa"})]
    assert text_of(events) == thinking_of(events) == ""


async def test_thoughts_do_not_end_inside_the_mark_that_begins_them(tmp_path: Path) -> None:
    first = said("<|channel|>", "analysis", "<|message|>", "a", "b", "c")
    second = said("<|channel|>", "commentary to=functions.weather<|message|>", "{}")
    events = await answered(tmp_path, "harmony", 0, first, second)
    assert [call.name for call in calls_of(events)] == ["weather"]
    assert text_of(events) == ""
