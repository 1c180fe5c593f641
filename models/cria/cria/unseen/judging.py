"""Whether an answer is right: values are compared in a normal form, nothing else is forgiven."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jsonschema

from cria.unseen.cases import Case

ENDS = " \t\n\"'“”「」.。!！,，"
EITHER = "~"
"""``{"~": [a, b, null]}`` in what is expected: any of these; null also stands for a field that is left out."""


@dataclass(frozen=True)
class Answer:
    """What came back: text, thought, calls as (name, arguments), tokens of the prompt."""

    content: str
    thinking: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    prompt_tokens: int = 0


def normal(text: str) -> str:
    """A text without the difference of case, of wide and narrow letters, and of quotes and points around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().strip(ENDS).split())


def same(expected: Any, found: Any) -> bool:
    """Whether a JSON value is the expected one; 3 and 3.0 are, 3 and "3" or true are not."""
    if isinstance(expected, dict) and set(expected) == {EITHER}:
        return any(same(choice, found) for choice in expected[EITHER])
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() <= expected.keys()
            and all(same(value, found.get(key)) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(same(one, other) for one, other in zip(expected, found, strict=True))
        )
    if isinstance(expected, str):
        return isinstance(found, str) and normal(expected) == normal(found)
    if isinstance(expected, bool) or expected is None or isinstance(found, bool):
        return expected is found
    return isinstance(found, int | float) and bool(expected == found)


def _calls(expected: Any, answer: Answer) -> bool:
    """Exactly these calls, in any order."""
    left = list(answer.calls)
    for name, arguments in expected:
        fitting = next((call for call in left if call[0] == name and same(arguments, call[1])), None)
        if fitting is None:
            return False
        left.remove(fitting)
    return not left


def _none(expected: Any, answer: Answer) -> bool:
    return not answer.calls and bool(answer.content.strip()) and "<tool_call>" not in answer.content


def _contains(expected: Any, answer: Answer) -> bool:
    said = unicodedata.normalize("NFKC", answer.content).casefold()
    groups = [[entry] if isinstance(entry, str) else entry for entry in expected]
    return not answer.calls and all(any(choice.casefold() in said for choice in group) for group in groups)


def _json(expected: Any, answer: Answer) -> bool:
    try:
        return same(expected, json.loads(answer.content))
    except ValueError:
        return False


def _valid(expected: Any, answer: Answer) -> bool:
    """JSON of the schema with something in every text."""
    try:
        found = json.loads(answer.content)
        jsonschema.validate(found, expected)
    except (ValueError, jsonschema.ValidationError):
        return False
    return all(value.strip() for value in found.values() if isinstance(value, str))


def _thinking(expected: Any, answer: Answer) -> bool:
    """A thought exactly when one is asked for, and an answer in either case."""
    said = bool(answer.content.strip() or answer.calls)
    return said and "think>" not in answer.content and bool(answer.thinking.strip()) == expected


CHECKS: dict[str, Callable[[Any, Answer], bool]] = {
    "calls": _calls,
    "none": _none,
    "contains": _contains,
    "json": _json,
    "valid": _valid,
    "thinking": _thinking,
}


def right(case: Case, answers: list[Answer]) -> bool:
    """Whether the answer is right; of the kind ``seeds``, whether the answers to several seeds differ."""
    if case.check == "seeds":
        said = [answer.content.strip() for answer in answers]
        return all(said) and len(set(said)) == len(said)
    return CHECKS[case.check](case.expected, answers[0])
