"""The generators of skills: right by construction, the same for the same seed, training and test apart."""

import json
import random
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from cria.data.skills import GENERATORS
from cria.data.skills.functions import WORDS_EN, WORDS_ZH
from cria.examples import Case, Example, Fim, Item, Split

COUNT = 1500
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
}


def taken(name: str, split: Split, count: int = COUNT, seed: int = 3) -> list[Item | Case]:
    return list(islice(GENERATORS[name](random.Random(seed), split), count))


def examples(name: str, split: Split = "train") -> Iterator[Example]:
    for item in taken(name, split):
        found = item.prompt if isinstance(item, Case) else item
        if isinstance(found, Example):
            yield found


def users(example: Example) -> str:
    return "\n".join(message["content"] for message in example.messages if message["role"] == "user")


def calls(name: str, split: Split) -> Iterator[tuple[Example, dict[str, Any]]]:
    """Every call with the conversation it belongs to."""
    for item in taken(name, split):
        if isinstance(item, Case):
            assert isinstance(item.prompt, Example)
            if item.check == "tool_calls":
                yield from ((item.prompt, call) for call in item.expected)
        elif isinstance(item, Example):
            for message in item.messages:
                yield from ((item, dict(call)) for call in message.get("tool_calls", []))


def flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_same_seed_gives_the_same_items(name: str, split: Split) -> None:
    assert taken(name, split, 200) == taken(name, split, 200)
    assert taken(name, split, 200) != taken(name, split, 200, seed=4)


@pytest.mark.parametrize("name", GENERATORS)
def test_training_gives_items_and_test_gives_cases(name: str) -> None:
    assert not any(isinstance(item, Case) for item in taken(name, "train", 300))
    assert all(isinstance(item, Case) for item in taken(name, "test", 300))


@pytest.mark.parametrize("name", [name for name in GENERATORS if name != "fim"])
def test_both_languages_and_few_repetitions(name: str) -> None:
    texts = [users(example) for example in examples(name)]
    chinese = sum(bool(re.search(r"[\u4e00-\u9fff]", text)) for text in texts) / len(texts)
    assert 0.25 < chinese < 0.6
    assert len(set(texts)) > 0.6 * len(texts)


@pytest.mark.parametrize("name", [name for name in GENERATORS if name != "fim"])
def test_conversations_have_the_turns_of_the_format(name: str) -> None:
    for example in examples(name):
        roles = [message["role"] for message in example.messages if message["role"] != "system"]
        assert roles[0] == "user" and roles[-1] == "assistant"
        assert all(message["role"] != "system" for message in example.messages[1:])
        last_user = max(index for index, message in enumerate(example.messages) if message["role"] == "user")
        for index, message in enumerate(example.messages):
            if message["role"] == "assistant":
                assert ("reasoning" in message) == (example.thinking and index > last_user)
                assert message["content"].strip() or message.get("tool_calls")


@pytest.mark.parametrize("split", ["train", "test"])
def test_calls_fit_their_definitions(split: Split) -> None:
    for example, call in calls("tools", split):
        offered = {tool["function"]["name"]: tool["function"] for tool in example.tools}
        assert len(offered) == len(example.tools) <= 6
        parameters = offered[call["name"]]["parameters"]
        assert list(parameters) == ["type", "required", "properties"]
        keys = list(call["arguments"])
        assert keys == [key for key in parameters["properties"] if key in call["arguments"]]
        assert set(parameters["required"]) <= set(keys)
        for key, value in call["arguments"].items():
            schema = parameters["properties"][key]
            assert isinstance(value, TYPES[schema["type"]])
            assert not isinstance(value, bool) or schema["type"] == "boolean"
            assert value in schema.get("enum", [value])


def said(value: Any, question: str) -> bool:
    """Whether a value stands in the question, a small number perhaps as a word."""
    words = [numbers[value - 2] for numbers in (WORDS_EN, WORDS_ZH)] if value in range(2, 13) else []
    return any(word in question for word in (str(value), *words))


@pytest.mark.parametrize("split", ["train", "test"])
def test_arguments_stand_in_the_question(split: Split) -> None:
    for example, call in calls("tools", split):
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in example.tools}
        question = users(example)
        for key, value in call["arguments"].items():
            schema = offered[call["name"]]["properties"][key]
            is_code = isinstance(value, str) and re.fullmatch("[A-Z]{3}", value)
            if schema["type"] == "boolean" or "enum" in schema or is_code:
                continue
            assert all(said(entry, question) for entry in flat(value)), (question, call)


def test_tool_cases_have_each_kind_of_answer() -> None:
    kinds = {item.kind for item in taken("tools", "test") if isinstance(item, Case)}
    assert kinds == {f"tools/{kind}" for kind in ("known", "new", "two", "none", "result", "think")}
    for item in taken("tools", "test"):
        assert isinstance(item, Case) and isinstance(item.prompt, Example)
        if item.kind == "tools/two":
            assert len(item.expected) == 2 and item.expected[0] != item.expected[1]
        if item.kind == "tools/result":
            told = item.prompt.messages[-1]["content"] + json.dumps(item.prompt.messages[-2], ensure_ascii=False)
            assert item.expected and all(value in told for value in item.expected)


def test_what_is_refused_is_called_by_no_offered_function() -> None:
    """The same wordings occur with the function and without it, and a quarter of the conversations has no call."""
    found = [example for example in examples("tools") if example.kind == "tools/none"]
    assert 0.2 < len(found) / COUNT < 0.3
    for example in found:
        last = example.messages[-1]
        assert "tool_calls" not in last and example.thinking == ("reasoning" in last)
        offered = [tool["function"]["name"] for tool in example.tools]
        named = re.search(r"(?:Call|Use|Run|调用|请用|用)[ ]?(\w+_\w+)[,， ]", users(example))
        assert named is None or named[1] not in offered
    assert sum(example.thinking for example in found) > 20


def test_long_conversations_are_recalled() -> None:
    lengths = [len(users(example)) + len(str(example.messages)) for example in examples("recall")]
    assert 0.08 < sum(length > 1600 for length in lengths) / len(lengths) < 0.25


def test_invented_words_do_not_run_into_each_other() -> None:
    """In Chinese questions a Latin value stands apart from the Latin word before it."""
    for example, call in calls("tools", "train"):
        question = users(example)
        for value in call["arguments"].values():
            latin = isinstance(value, str) and re.fullmatch("[a-z]{4,}", value) and value in question
            if latin and re.search("[\u4e00-\u9fff]", question):
                assert re.search(rf"(?<![a-z]){value}", question), (question, call)


def test_unseen_functions_and_values_in_the_test() -> None:
    def seen(split: Split) -> tuple[set[str], set[str]]:
        names: set[str] = set()
        values: set[str] = set()
        for item, (example, call) in zip(range(4000), calls("tools", split), strict=False):
            del item
            offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in example.tools}
            names.add(call["name"])
            for key, value in call["arguments"].items():
                if "enum" not in offered[call["name"]]["properties"][key]:
                    values.update(entry for entry in flat(value) if isinstance(entry, str) and len(entry) > 7)
        return names, values

    train_names, train_values = seen("train")
    test_names, test_values = seen("test")
    free = {value for value in test_values & train_values if not re.search("room$|[0-9]:|:[0-9a-z]", value)}
    assert len(test_values) > 200
    assert {value for value in free if value not in LANGUAGES} == set()
    new = {name for name in test_names if name not in KNOWN_NAMES}
    assert len(new) > 200 and not new & train_names


LANGUAGES = {"Wednesday", "Saturday", "Thursday", "Portuguese", "llama3.2", "living room"}


def _known_names() -> set[str]:
    from cria.data.skills.functions import camel
    from cria.data.skills.functions_known import KNOWN

    return {form for fn in KNOWN for name in fn.names for form in (name, camel(name))}


KNOWN_NAMES = _known_names()


@pytest.mark.parametrize("split", ["train", "test"])
def test_json_answers_say_what_the_sentence_says(split: Split) -> None:
    for item in taken("json", split):
        example = item.prompt if isinstance(item, Case) else item
        assert isinstance(example, Example)
        data = item.expected if isinstance(item, Case) else json.loads(example.messages[-1]["content"])
        asked = users(example)
        for key, value in data.items():
            assert key in asked or item.kind == "json/free"
            assert isinstance(value, bool) or all(str(entry) in asked for entry in flat(value))
        places = [asked.find(f'"{key}":') for key in data] if item.kind == "json/schema" else []
        assert places == sorted(places)


@pytest.mark.parametrize("split", ["train", "test"])
def test_sums_in_thoughts_and_answers_are_right(split: Split) -> None:
    checked = 0
    for example in examples("thinking", split):
        for message in example.messages:
            text = message["content"] * (message["role"] == "assistant") + " " + message.get("reasoning", "")
            for left, sign, right, result in re.findall(r"(\d+) ([-+*]) (\d+) = (\d+)", text):
                a, b = int(left), int(right)
                assert {"+": a + b, "-": a - b, "*": a * b}[sign] == int(result)
                checked += 1
    assert checked > 300 or split == "test"


def test_expected_answers_of_sums() -> None:
    for item in taken("thinking", "test"):
        assert isinstance(item, Case) and isinstance(item.prompt, Example)
        question = item.prompt.messages[-1]["content"]
        found = re.search(r"(\d+) ?[+加] ?(\d+)", question)
        if item.kind.endswith("/add") and found:
            assert item.expected == [str(int(found[1]) + int(found[2]))]


@pytest.mark.parametrize("split", ["train", "test"])
def test_recalled_value_was_said_before(split: Split) -> None:
    for item in taken("recall", split):
        if isinstance(item, Case):
            assert isinstance(item.prompt, Example)
            before = [message["content"] for message in item.prompt.messages[:-1]]
            assert any(item.expected[0] in text for text in before)
            assert item.expected[0] not in item.prompt.messages[-1]["content"]


def test_recall_and_json_keep_some_wordings_for_the_test() -> None:
    def last(split: Split) -> set[str]:
        kept = [item for item in taken("recall", split, 600) if split == "train" or item.kind == "recall/wording"]
        cases = [item.prompt if isinstance(item, Case) else item for item in kept]
        turns = [case.messages for case in cases if isinstance(case, Example)]
        questions = [[m["content"] for m in messages if m["role"] == "user"][-1] for messages in turns]
        return {question.lower().rstrip("?？。.") for question in questions}

    assert last("test") and not last("train") & last("test")
    assert {"json/wording", "json/fields"} <= {item.kind for item in taken("json", "test")}


@pytest.mark.parametrize("split", ["train", "test"])
def test_system_prompts_are_obeyed(split: Split) -> None:
    for item in taken("system", split):
        if not isinstance(item, Example):
            continue
        told, answer = item.messages[0]["content"], item.messages[-1]["content"]
        if item.kind == "system/language":
            chinese = bool(re.search(r"[\u4e00-\u9fff]", answer))
            wants = bool(re.search("Chinese|中文", told))
            assert not chinese or wants
        if item.kind == "system/phrase":
            assert [part for part in re.findall(r'["“](.+?)["”]', told) if part in answer]


def test_holes_fit_and_functions_are_python() -> None:
    for item in taken("fim", "train"):
        if isinstance(item, Fim):
            compile(item.prefix + item.middle + item.suffix, "fim", "exec")
            assert item.middle


def test_functions_of_the_test_do_what_is_expected() -> None:
    for item in taken("fim", "test", 400):
        assert isinstance(item, Case) and isinstance(item.prompt, Fim)
        names: dict[str, Any] = {}
        exec(item.prompt.prefix + item.prompt.middle + item.prompt.suffix, names)
        assert item.expected and all(eval(expression, names) for expression in item.expected)


def test_drills_copy_what_was_said() -> None:
    for item in taken("drills", "test"):
        assert isinstance(item, Case) and isinstance(item.prompt, Example)
        question = item.prompt.messages[-1]["content"]
        if item.kind in ("drills/repeat", "drills/lookup", "drills/place", "drills/statement"):
            assert item.expected in question
        if item.kind == "drills/spell":
            assert item.expected.replace("-", "") in question
        if item.kind == "drills/choose":
            names = set(re.findall(r"^(\w+)(?::|$)", question, re.M))
            assert names and (item.expected in names or item.expected in ("none", "都不合适"))
