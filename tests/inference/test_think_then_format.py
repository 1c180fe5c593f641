"""Thoughts in free text and then an answer in a format: two generations that look like one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.inference.world import ScriptedEngine, model_of, request_of, said, text_of, thinking_of

from puna.inference.events import Finished
from puna.inference.format.constraint import Constraint
from puna.inference.prepare import prepare
from puna.inference.think_then_format import merged, think_then_format

TEMPLATE = "{{ range .Messages }}{{ .Content }}{{ end }}{{ if .Think }}<think>{{ end }}"
UNOPENED = "{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}{{ end }}"
CLOSED = "</think> more"
"""What the model says at the end of its thoughts; the call ends there."""


async def run(
    folder: Path, *answers: list[dict[str, Any]], template: str = TEMPLATE, context: int = 500, **more: Any
) -> tuple[ScriptedEngine, str, str, Finished]:
    """Return the engine with what it was asked, the thinking, the content, and the end."""
    engine = ScriptedEngine(*answers)
    asked = replace(
        request_of(model_of(folder, template=template), "hi", think=True, format=Constraint("root ::= x"), **more),
        can_think=True,
    )
    prepared = await prepare(asked, engine, context)
    assert prepared.closing == "</think>"
    asked_for = asked.options.sampling.get("ignore_eos", False)
    events = [event async for batch in think_then_format(engine, prepared, ignore_eos=asked_for) for event in batch]
    *pieces, end = events
    assert isinstance(end, Finished)
    assert not any(isinstance(piece, Finished) for piece in pieces), "one end, and that is the last"
    return engine, thinking_of(pieces), text_of(pieces), end


def prompts(engine: ScriptedEngine) -> list[str]:
    return ["".join(map(chr, body["prompt"][1:])) for _, body in engine.asked]


async def test_format_binds_the_second_generation_only(tmp_path: Path) -> None:
    engine, thinking, content, end = await run(tmp_path, said("I ", "know", CLOSED), said('{"a"', ":1}"))
    assert (thinking, content, end.reason) == ("I know", '{"a":1}', "stop")
    assert prompts(engine) == ["hi<think>", "hi<think>I know</think>\n\n"]
    first, second = (body for _, body in engine.asked)
    assert "grammar" not in first
    assert second["grammar"] == "root ::= x"
    assert not any(body.get("stop") for body in (first, second)), "the engine loses what it holds back"


async def test_thoughts_go_on_past_the_end_of_text_where_that_is_asked_for(tmp_path: Path) -> None:
    engine, *_ = await run(tmp_path, said("a", CLOSED), said("{}"), options={"ignore_eos": True})
    assert [body["ignore_eos"] for _, body in engine.asked] == [True, False]


async def test_ends_are_added_up(tmp_path: Path) -> None:
    _, _, _, end = await run(tmp_path, said("a", "b", CLOSED), said("{", "}"))
    assert (end.generated_tokens, end.prompt_tokens) == (5, 5)
    assert (end.prompt_duration, end.generation_duration) == (4_000_000, 7_500_000)


def test_guesses_are_added_up() -> None:
    thoughts = Finished("stop", 1, 1, 9, 1, drafted_tokens=4, accepted_tokens=3)
    [end] = merged([Finished("stop", 1, 1, 9, 1, drafted_tokens=16, accepted_tokens=8)], thoughts)
    assert isinstance(end, Finished)
    assert (end.drafted_tokens, end.accepted_tokens) == (20, 11)


async def test_limit_is_that_of_both(tmp_path: Path) -> None:
    engine, _, _, _ = await run(tmp_path, said("a", CLOSED), said("{}"), options={"num_predict": 9})
    assert [body["n_predict"] for _, body in engine.asked] == [9, 7]


async def test_thoughts_leave_room_for_the_answer(tmp_path: Path) -> None:
    engine, _, _, _ = await run(tmp_path, said("a", CLOSED), said("{}"), context=100)
    prompt = len("^hi<think>")
    assert engine.asked[0][1]["n_predict"] + prompt < 100


async def test_limit_within_the_thoughts_is_the_end(tmp_path: Path) -> None:
    engine, thinking, content, end = await run(tmp_path, said("a", "b", stop_type="limit"))
    assert (thinking, content, end.reason) == ("ab", "", "length")
    assert len(engine.asked) == 1


async def test_stop_string_of_the_request_ends_thoughts_too(tmp_path: Path) -> None:
    engine, thinking, content, end = await run(tmp_path, said("a", "b! so", CLOSED), options={"stop": ["!"]})
    assert (thinking, content, end.reason, end.stop) == ("ab", "", "stop", "!")
    assert (len(engine.asked), end.generated_tokens) == (1, 2)


async def test_stop_string_of_the_request_ends_the_answer(tmp_path: Path) -> None:
    engine, thinking, content, end = await run(tmp_path, said("a", CLOSED), said("{", "}"), options={"stop": ["}"]})
    assert (thinking, content, end.reason, end.stop) == ("a", "{", "stop", "}")
    assert (len(engine.asked), end.generated_tokens) == (2, 4)


@pytest.mark.parametrize("held", ["<", "</thin", "!"])
async def test_what_is_held_back_at_a_limit_is_said(tmp_path: Path, held: str) -> None:
    options = {"stop": ["!!"]}
    _, thinking, content, end = await run(tmp_path, said("a", held, stop_type="limit"), options=options)
    assert (thinking, content, end.reason) == ("a" + held, "", "length")
    _, _, content, _ = await run(tmp_path, said("a", CLOSED), said('"!', stop_type="limit"), options=options)
    assert content == '"!'


async def test_text_that_ends_within_the_thoughts_is_answered_all_the_same(tmp_path: Path) -> None:
    engine, thinking, content, end = await run(tmp_path, said("a", "b"), said("{}"))
    assert (thinking, content, end.reason) == ("ab", "{}", "stop")
    assert prompts(engine)[1] == "hi<think>ab</think>\n\n"


async def test_answer_without_thoughts_begins_again_in_the_format(tmp_path: Path) -> None:
    engine, thinking, content, end = await run(tmp_path, said("Well", "no"), said("{}"), template=UNOPENED)
    assert (thinking, content, end.reason) == ("", "{}", "stop")
    assert prompts(engine) == ["hi", "hi"]


@pytest.mark.parametrize("cut", range(1, 12))
async def test_tag_opened_by_the_model_may_come_in_pieces(tmp_path: Path, cut: int) -> None:
    text = "<think>\nhm"
    _, thinking, content, _ = await run(tmp_path, said(text[:cut], text[cut:], CLOSED), said("{}"), template=UNOPENED)
    assert (thinking, content) == ("hm", "{}")
