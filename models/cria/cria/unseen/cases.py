"""Reading the files of cases: ``unseen/<kind>.<language>.jsonl``, one case a line.

A line has ``ask``, and as needed ``system``, ``turns`` (what was said before, by turns, the user first), ``fns``
(functions in the notation) or ``tools`` (by their names in ``shapes.json``), ``form`` or ``schema`` (what the answer
must look like), ``think``, ``called`` and ``result`` (an answered call between the question and the answer), ``fact``
(said first, with ``filler.<language>.txt`` between it and the question). What is right: ``call`` or ``calls`` (name and
arguments), ``none``, ``contains``, ``json``, or ``valid``; of the kinds ``none``, ``thinking`` and ``seeds`` the kind
says it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cria.unseen import notation

FOLDER = Path(__file__).parents[2] / "unseen"
Language = Literal["en", "zh"]
Check = Literal["calls", "none", "contains", "json", "valid", "thinking", "seeds"]
Message = dict[str, Any]
NOTED = {"en": "Noted.", "zh": "好的，记下了。"}


@dataclass(frozen=True)
class Case:
    """One question over the API and what is right.

    ``expected`` is by ``check``: the calls as [name, arguments]; None; strings, or lists of which one must occur; the
    object; the schema; whether a thought is wanted; None.
    """

    kind: str
    language: Language
    number: int
    messages: tuple[Message, ...]
    check: Check
    expected: Any
    tools: tuple[dict[str, Any], ...] = ()
    format: dict[str, Any] | None = None
    think: bool = False

    @property
    def name(self) -> str:
        """Where the case stands: file and line."""
        return f"{self.kind}.{self.language}:{self.number}"


def read(folder: Path = FOLDER) -> list[Case]:
    """All cases, in the order of the files' names; raises ``ValueError`` for a line that is none."""
    return [case for path in sorted(folder.glob("*.jsonl")) for case in _file(path)]


def _file(path: Path) -> Iterator[Case]:
    kind, language, _ = path.name.split(".")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            yield _case(kind, "zh" if language == "zh" else "en", number, json.loads(line))
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path.name}:{number}: {error}") from error


def _case(kind: str, language: Language, number: int, entry: dict[str, Any]) -> Case:
    shapes = _shapes()
    tools = [notation.function(text) for text in entry.get("fns", ())]
    tools += [notation.tool(shapes[name]) for name in entry.get("tools", ())]
    answer = notation.form(entry["form"]) if "form" in entry else shapes.get(entry.get("schema", ""))
    check, expected = _wanted(kind, entry, answer)
    return Case(
        kind,
        language,
        number,
        tuple(_messages(language, number, entry)),
        check,
        expected,
        tuple(tools),
        answer,
        entry.get("think", False),
    )


def _wanted(kind: str, entry: dict[str, Any], schema: dict[str, Any] | None) -> tuple[Check, Any]:
    if kind == "seeds":
        return "seeds", None
    if kind == "thinking":
        return "thinking", entry["think"]
    if kind == "none" or "none" in entry:
        return "none", None
    if "call" in entry:
        return "calls", [entry["call"]]
    if "valid" in entry:
        return "valid", schema
    for check in ("calls", "json", "contains"):
        if check in entry:
            return check, entry[check]  # type: ignore[return-value]
    raise ValueError("nothing says what is right")


def _messages(language: Language, number: int, entry: dict[str, Any]) -> Iterator[Message]:
    if "system" in entry:
        yield {"role": "system", "content": entry["system"]}
    earlier = list(entry.get("turns", ()))
    if "fact" in entry:
        pairs = _filler(language)
        start = number % len(pairs)
        talk = [turn for pair in pairs[start:] + pairs[:start] for turn in pair]
        earlier += [entry["fact"], NOTED[language], *talk]
    for index, text in enumerate([*earlier, entry["ask"]]):
        yield {"role": "assistant" if index % 2 else "user", "content": text}
    if "called" in entry:
        name, arguments = entry["called"]
        yield {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": name, "arguments": arguments}}],
        }
        yield {"role": "tool", "content": entry["result"], "tool_name": name}


@cache
def _shapes() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "shapes.json").read_text(encoding="utf-8"))
    return found


@cache
def _filler(language: Language) -> list[list[str]]:
    lines = (FOLDER / f"filler.{language}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines]
