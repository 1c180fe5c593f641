"""Judging answers."""

import pytest
from cria.checks import Answer, passes
from cria.examples import Case, Check, Example, Fim

PROMPT = Example(({"role": "user", "content": "hi"},))


def judged(check: Check, expected: object, answer: Answer) -> bool:
    return passes(Case(PROMPT, expected, check), answer)


def said(content: str, thinking: str = "") -> Answer:
    return Answer(content, thinking, [])


@pytest.mark.parametrize(
    ("check", "expected", "good", "bad"),
    [
        ("contains", ["sky", ["blue", "蓝"]], "The Sky is blue.", "The sky is green."),
        ("json", {"a": 1, "b": "x"}, '{"b": "x", "a": 1}', '{"a": "1", "b": "x"}'),
        ("exact", "42", " 42\n", "42."),
        ("language", "zh", "天空是蓝色的", "The sky is blue"),
        ("language", "en", "The sky is blue", "天空是蓝色的"),
        ("none-called", None, "I cannot do that.", ""),
    ],
)
def test_right_and_wrong_answers(check: Check, expected: object, good: str, bad: str) -> None:
    assert judged(check, expected, said(good))
    assert not judged(check, expected, said(bad))


def test_calls_match_in_any_order_and_exactly() -> None:
    one, two = {"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}
    assert judged("tool_calls", [one, two], Answer("", "", [two, one]))  # type: ignore[list-item]
    assert not judged("tool_calls", [one], Answer("", "", [one, two]))  # type: ignore[list-item]
    assert not judged("tool_calls", [one], Answer("", "", [{"name": "f", "arguments": {"a": "1"}}]))


def test_thinking_must_be_there_exactly_when_asked_for() -> None:
    assert judged("thinking", True, said("yes", "hm"))
    assert not judged("thinking", False, said("yes", "hm"))
    assert not judged("thinking", False, said("<think>hm</think>yes"))


def test_python_is_run_with_the_answer_in_its_place() -> None:
    case = Case(Fim("def double(x):\n    return ", "\n", ""), ["double(4) == 8"], "python")
    assert passes(case, said("x * 2"))
    assert not passes(case, said("x * 3"))
    assert not passes(case, said("x *"))
