"""The cases typed by hand: whole, judged strictly, never read by training, and asked of a real server."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cria.data.knowledge.capitals import capitals
from cria.data.knowledge.held_out import normal as closed
from cria.data.knowledge.topics import CONTENT, load
from cria.evaluate import post
from cria.unseen import notation
from cria.unseen.__main__ import KINDS, asker, chosen, judge, serving, table
from cria.unseen.cases import FOLDER, Case, read
from cria.unseen.judging import Answer, normal, right, same

CASES = read()
HERE = Path(__file__).parents[1]
READING = """
import json, random, sys
opened = []
sys.addaudithook(lambda event, found: opened.append(str(found[0])) if event == "open" else None)
import cria.build
from cria.data import mixture
said = []
for name in sys.argv[1].split(","):
    items = mixture.items(name, "unseen")
    for _ in range(150):
        item = next(items)
        said += [message["content"] for message in getattr(item, "messages", ()) if message["role"] == "user"]
print(json.dumps({"opened": opened, "modules": sorted(sys.modules), "said": said}))
"""


def asked(case: Case) -> str:
    return str(next(message["content"] for message in reversed(case.messages) if message["role"] == "user"))


def test_there_are_more_than_400_cases_of_every_kind_in_both_languages() -> None:
    counts = Counter((case.kind, case.language) for case in CASES)
    assert len(CASES) >= 400
    assert set(counts) == {(kind, language) for kind in KINDS for language in ("en", "zh")}
    english = sum(number for (_, language), number in counts.items() if language == "en")
    assert 0.45 < english / len(CASES) < 0.55


def test_no_question_is_asked_twice_of_the_same_kind() -> None:
    counts = Counter((case.kind, asked(case), len(case.messages), case.think) for case in CASES)
    assert max(counts.values()) == 1


@pytest.mark.parametrize("case", [case for case in CASES if case.check == "calls"], ids=lambda case: case.name)
def test_a_right_call_obeys_the_schema_of_its_function(case: Case) -> None:
    offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in case.tools}
    for name, arguments in case.expected:
        strict = {**offered[name], "required": [], "additionalProperties": False}
        jsonschema.validate(plain(arguments), strict)
        allowed = set(offered[name].get("required", ()))
        missing = allowed - arguments.keys()
        assert not missing, f"{missing} is required"


@pytest.mark.parametrize("case", [case for case in CASES if case.check == "json"], ids=lambda case: case.name)
def test_a_right_form_obeys_its_schema(case: Case) -> None:
    assert case.format is not None
    jsonschema.validate(plain(case.expected), case.format)


def plain(value: Any) -> Any:
    """The first of the values that are right."""
    if isinstance(value, dict):
        if set(value) == {"~"}:
            return value["~"][0]
        made = {key: plain(entry) for key, entry in value.items()}
        return {key: entry for key, entry in made.items() if entry is not None}
    return [plain(entry) for entry in value] if isinstance(value, list) else value


def test_training_reads_no_case_and_says_none() -> None:
    pytest.importorskip("tokenizers")
    pytest.importorskip("torch")
    from cria.data import mixture

    names = ",".join(name for name in {**mixture.SHARES, **mixture.GROWN_FAR} if name != mixture.JOINED)
    made = subprocess.run([sys.executable, "-c", READING, names], capture_output=True, text=True, cwd=HERE, check=True)
    found = json.loads(made.stdout)
    assert any(path.endswith("puna.txt") for path in found["opened"]), "nothing is seen of what is opened"
    assert not [path for path in found["opened"] if Path(path).is_relative_to(FOLDER)]
    assert not [name for name in found["modules"] if name.startswith("cria.unseen")]
    questions = {normal(asked(case)) for case in CASES}
    assert len(found["said"]) > 1000
    assert questions & {normal(text) for text in found["said"]} == set()


def test_the_notation_becomes_the_schema_that_clients_send() -> None:
    made = notation.function("boil(egg, minutes?:int, size:small|large, with:list[num]) Boil an egg")["function"]
    assert (made["name"], made["description"]) == ("boil", "Boil an egg")
    assert made["parameters"] == {
        "type": "object",
        "properties": {
            "egg": {"type": "string"},
            "minutes": {"type": "integer"},
            "size": {"type": "string", "enum": ["small", "large"]},
            "with": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["egg", "size", "with"],
    }


@pytest.mark.parametrize("text", ["boil an egg", "boil(egg:ovum) Boil", "boil(an egg) Boil"])
def test_a_function_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no (function|type|argument)"):
        notation.function(text)


@pytest.mark.parametrize(
    ("expected", "found", "equal"),
    [
        ("Sark", " sark. ", True),
        ("Sark", "the Sark", False),
        (3, 3.0, True),
        (3, "3", False),
        (1, True, False),
        (True, 1, False),
        (False, False, True),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "b": {"~": [None, "x"]}}, {"a": 1}, True),
        ({"a": 1, "b": {"~": [None, "x"]}}, {"a": 1, "b": "y"}, False),
        ({"a": 1}, {}, False),
    ],
)
def test_values_are_compared_in_a_normal_form_and_no_further(expected: Any, found: Any, equal: bool) -> None:
    assert same(expected, found) is equal


def test_a_call_too_many_is_wrong() -> None:
    case = Case("calls", "en", 1, (), "calls", [["boil", {"egg": "one"}]])
    call = ("boil", {"egg": "One"})
    assert right(case, [Answer("", calls=(call,))])
    assert not right(case, [Answer("", calls=(call, call))])
    assert not right(case, [Answer("boil")])


def test_an_answer_that_calls_is_neither_none_nor_a_text() -> None:
    calling = Answer("ham", calls=(("boil", {}),))
    assert right(Case("none", "en", 1, (), "none", None), [Answer("ham")])
    assert not right(Case("none", "en", 1, (), "none", None), [calling])
    assert not right(Case("none", "en", 1, (), "none", None), [Answer(" ")])
    assert right(Case("questions", "en", 1, (), "contains", [["egg", "ham"]]), [Answer("Ham!")])
    assert not right(Case("questions", "en", 1, (), "contains", [["egg", "ham"]]), [calling])


def test_seeds_must_differ_and_say_something() -> None:
    case = Case("seeds", "en", 1, (), "seeds", None)
    assert right(case, [Answer("a"), Answer("b")])
    assert not right(case, [Answer("a"), Answer("a")])
    assert not right(case, [Answer("a"), Answer("")])


def test_a_slice_is_asked_of_a_server_with_the_same_answers_again() -> None:
    from puna.testing import Server

    some = chosen(CASES, "", 30)
    with Server() as server:
        first, second = (judge(asker(server.url, "cria"), some) for _ in range(2))
    assert first == second
    assert {record["kind"] for record in first} == set(KINDS)
    lines = table(first).splitlines()
    assert len(lines) == len(KINDS) + 3
    assert all(record["right"] for record in first if record["kind"] == "thinking")
    assert all(a["prompt_tokens"] > 1000 for r in first if r["kind"] == "recall" for a in r["answers"])


def test_a_file_is_asked_instead_of_the_model_that_ships() -> None:
    from puna.builtin import STORE

    file = max((STORE / "blobs").iterdir(), key=lambda path: path.stat().st_size)
    with serving(file) as url:
        shown = post(f"{url}/api/show", {"model": "cria"})
    assert not shown.get("license"), "the model that ships has one"
    assert shown["details"]["family"] == "llama"


def test_no_question_is_a_wording_that_training_has() -> None:
    topics = [topic for field in sorted(CONTENT.glob("*.txt")) for topic in load(field.stem)]
    known = {
        closed(text) for topic in (*topics, *capitals()) for side in (topic.en, topic.zh) for text in side.questions
    }
    assert len(known) > 5000
    assert [case.name for case in CASES if closed(asked(case)) in known] == []
