"""The evaluation's own arithmetic."""

from cria.checks import Answer
from cria.evaluate import GOALS, cases, goals, grouped, judge, puna_message, table
from cria.examples import Case, Example, Text

QUESTION = Example(({"role": "user", "content": "hi"},), thinking=True)


def test_the_table_counts_right_answers_and_obedience_by_kind() -> None:
    found = [Case(QUESTION, ["yes"], "contains", "qa/en"), Case(Text("a"), "b", "exact", "text")]
    answers = {"qa/en": Answer("yes", "", []), "text": Answer("b", "", [])}
    lines = table(judge(lambda case: answers[case.kind], found)).splitlines()
    assert "| qa/en | 1 | 100.0 % |" in lines
    assert "| **thinking switch obeyed** | 2 | 50.0 % |" in lines


def test_a_goal_counts_all_its_kinds_and_nothing_else() -> None:
    judged = [("json/fields", True), ("json/free", False), ("json/wording", False), ("tools/new", True)]
    lines = goals([{"kind": kind, "right": right, "switch": True} for kind, right in judged]).splitlines()
    assert lines[2:] == [
        "| tool calls exact, unseen function and argument names | 80 % | 1 | 100.0 % |",
        "| JSON exact, known wordings, unseen values | 90 % | 2 | 50.0 % |",
        "| thinking switch obeyed | 100 % | 4 | 100.0 % |",
    ]


def test_every_kind_that_a_goal_counts_has_cases() -> None:
    families = {kind.partition("/")[0] for _, _, kinds in GOALS for kind in kinds}
    found = {case.kind for case in cases(1, ",".join(sorted(families)), "goals")}
    assert {kind for _, _, kinds in GOALS for kind in kinds} <= found


def test_exercises_share_a_row() -> None:
    assert [grouped(kind) for kind in ("direct/add", "thinking/add", "thinking/en", "tools/new")] == [
        "direct",
        "thinking",
        "thinking/en",
        "tools/new",
    ]


def test_every_kind_has_its_number_of_cases_and_the_same_ones_again() -> None:
    first, second = (list(cases(3, "json,recall", "seed")) for _ in range(2))
    assert first == second
    kinds = [case.kind for case in first]
    assert {kinds.count(kind) for kind in kinds} == {3}
    assert {"json/fields", "json/schema", "json/free", "recall/en", "recall/zh"} <= set(kinds)


def test_calls_are_sent_as_ollama_writes_them() -> None:
    call = {"name": "f", "arguments": {"a": 1}}
    sent = puna_message({"role": "assistant", "content": "", "tool_calls": [call], "reasoning": "hm"})  # type: ignore[list-item]
    assert sent["tool_calls"] == [{"function": call}]
    assert sent["thinking"] == "hm"
