"""Judging an answer against what a test case expects."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cria.examples import Case, Fim, ToolCall

SECONDS = 5


@dataclass(frozen=True)
class Answer:
    """What the model said: the text, the thought before it (empty when there was none), and the calls."""

    content: str
    thinking: str
    calls: list[ToolCall]


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _calls_match(case: Case, answer: Answer) -> bool:
    wanted = sorted(_canonical({"name": c["name"], "arguments": c["arguments"]}) for c in case.expected)
    return wanted == sorted(_canonical(dict(call)) for call in answer.calls)


def _contains(case: Case, answer: Answer) -> bool:
    content = answer.content.casefold()
    groups = [[entry] if isinstance(entry, str) else entry for entry in case.expected]
    return all(any(str(choice).casefold() in content for choice in group) for group in groups)


def _none_called(case: Case, answer: Answer) -> bool:
    if answer.calls or "<tool_call>" in answer.content:
        return False
    return bool(answer.content) and (case.expected is None or _contains(case, answer))


def _json_equal(case: Case, answer: Answer) -> bool:
    text = answer.content.strip().removeprefix("```json").removesuffix("```")
    try:
        return _canonical(json.loads(text)) == _canonical(case.expected)
    except ValueError:
        return False


def _thinking(case: Case, answer: Answer) -> bool:
    said = bool(answer.content.strip() or answer.calls)
    clean = "<think>" not in answer.content and "</think>" not in answer.content
    return said and clean and bool(answer.thinking.strip()) == case.expected


def _language(case: Case, answer: Answer) -> bool:
    letters = [character for character in answer.content if character.isalpha()]
    chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in letters)
    if not letters:
        return False
    return chinese > len(letters) / 4 if case.expected == "zh" else chinese == 0


def _python(case: Case, answer: Answer) -> bool:
    """Runs what the model wrote, in a process of its own without the user's site packages."""
    if not isinstance(case.prompt, Fim):
        return False
    lines = [case.prompt.prefix + answer.content + case.prompt.suffix]
    lines += [f"assert {expression}" for expression in case.expected]
    command = [sys.executable, "-I", "-c", "\n".join(lines)]
    try:
        return subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).returncode == 0
    except (subprocess.TimeoutExpired, ValueError):
        return False


CHECKS: dict[str, Callable[[Case, Answer], bool]] = {
    "tool_calls": _calls_match,
    "none-called": _none_called,
    "json": _json_equal,
    "contains": _contains,
    "exact": lambda case, answer: answer.content.strip() == str(case.expected).strip(),
    "thinking": _thinking,
    "language": _language,
    "python": _python,
}


def passes(case: Case, answer: Answer) -> bool:
    """Whether the answer is what the case expects; an answer to a case without calls must not call."""
    return CHECKS[case.check](case, answer)
