"""``python -m cria.unseen``: ask every case over the API and print a table by kind and language.

Without ``--url`` a server is started for it, with the model that ships with Puna or with a GGUF (``--file``) in its
place. At temperature 0 and one question after another the same model gives the same table.
"""

import argparse
import contextlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cria.evaluate import post
from cria.unseen.cases import Case, read
from cria.unseen.judging import Answer, right

LONGEST = 300
SEEDS = (1, 2)
Record = dict[str, Any]
Ask = Callable[[Case], list[Answer]]
KINDS: dict[str, tuple[str, int]] = {
    "calls": ("exactly the right call", 85),
    "frameworks": ("calls, answers and forms in the shapes of frameworks", 85),
    "none": ("no call where no function fits", 90),
    "results": ("the answer after a function's result uses it", 90),
    "json_asked": ("JSON by schema and sentence", 90),
    "json_alone": ("JSON by schema alone", 85),
    "thinking": ("thinking switch obeyed", 100),
    "recall": ("recall over more than 1,000 tokens", 80),
    "questions": ("paraphrased questions", 85),
    "seeds": ("two seeds at temperature 1 differ", 100),
}
"""Every kind: what it is called in the table and its goal in per cent."""


def body(case: Case, model: str, options: dict[str, Any]) -> dict[str, Any]:
    """The request to ``/api/chat``."""
    asked: dict[str, Any] = {
        "model": model,
        "messages": list(case.messages),
        "stream": False,
        "think": case.think,
        "options": {"num_predict": LONGEST, **options},
    }
    if case.tools:
        asked["tools"] = list(case.tools)
    if case.format is not None:
        asked["format"] = case.format
    return asked


def asker(url: str, model: str) -> Ask:
    """Asks a server that speaks Ollama's API."""

    def once(case: Case, options: dict[str, Any]) -> Answer:
        found = post(f"{url}/api/chat", body(case, model, options))
        said = found["message"]
        calls = [call["function"] for call in said.get("tool_calls") or []]
        return Answer(
            said.get("content", ""),
            said.get("thinking", ""),
            tuple((call["name"], call["arguments"]) for call in calls),
            found.get("prompt_eval_count", 0),
        )

    def ask(case: Case) -> list[Answer]:
        if case.check == "seeds":
            return [once(case, {"temperature": 1, "seed": seed}) for seed in SEEDS]
        return [once(case, {"temperature": 0})]

    return ask


def judge(ask: Ask, cases: Iterable[Case]) -> list[Record]:
    """Ask every case; what was asked, what came, and whether it was right."""
    records: list[Record] = []
    for case in cases:
        answers = ask(case)
        records.append(
            {
                "case": case.name,
                "kind": case.kind,
                "language": case.language,
                "right": right(case, answers),
                "question": next(m["content"] for m in reversed(case.messages) if m["role"] == "user"),
                "expected": case.expected,
                "answers": [vars(answer) for answer in answers],
            }
        )
    return records


def share(passed: list[bool]) -> str:
    """Right answers of all, in per cent; a dash where nothing was asked."""
    return f"{100 * sum(passed) / len(passed):.1f} %" if passed else "–"


def table(records: list[Record]) -> str:
    """The results as a Markdown table; kinds that were not asked are left out."""
    lines = ["| what | goal | cases | reached | English | Chinese |", "|---|---:|---:|---:|---:|---:|"]
    rows: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        rows[record["kind"]].append(record)
    for kind, (what, goal) in KINDS.items():
        if found := rows.get(kind):
            lines.append(f"| {what} | {goal} % | {len(found)} | {' | '.join(_shares(found))} |")
    lines.append(f"| **all** | | {len(records)} | {' | '.join(_shares(records))} |")
    return "\n".join(lines)


def _shares(records: list[Record]) -> list[str]:
    sides = [[r["right"] for r in records if r["language"] == language] for language in ("en", "zh")]
    return [share(sides[0] + sides[1]), share(sides[0]), share(sides[1])]


def chosen(cases: Iterable[Case], kinds: str, every: int) -> list[Case]:
    """The cases of the comma-separated ``kinds`` (all when empty), and of each file every so manieth."""
    wanted = kinds.split(",") if kinds else list(KINDS)
    return [case for case in cases if case.kind in wanted and (case.number - 1) % every == 0]


@contextlib.contextmanager
def serving(file: Path | None) -> Iterator[str]:
    """A Puna whose cria is the model of this file, or the one that ships with it; its address."""
    from puna.builtin.pack import pack
    from puna.testing import Server

    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) if file else None
        if file:
            pack(file, b"", Path(folder))
        with Server(models=models) as server:
            yield server.url


def main() -> None:
    """Ask the cases and print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--url", help="a running server; one is started when this is left out")
    parser.add_argument("--model", default="cria")
    parser.add_argument("--file", type=Path, help="a GGUF that is asked instead of the model that ships with Puna")
    parser.add_argument("--kinds", default="", help=f"only these, separated by commas: {', '.join(KINDS)}")
    parser.add_argument("--every", type=int, default=1, help="of each file only every so manieth case")
    parser.add_argument("--json", type=Path, help="write every case with its answer here")
    parser.add_argument("--failures", action="store_true", help="print what was wrong")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = arguments.url
        if url is None:
            url = stack.enter_context(serving(arguments.file))
        cases = chosen(read(), arguments.kinds, arguments.every)
        records = judge(asker(url.rstrip("/"), arguments.model), cases)
    if arguments.failures:
        for record in records:
            if not record["right"]:
                print(json.dumps(record, ensure_ascii=False))
    print(table(records))
    if arguments.json:
        arguments.json.write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
