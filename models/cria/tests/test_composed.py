"""The composed generators: the same for the same seed, right by construction, varied, apart from every evaluation."""

import json
import random
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jsonschema
import pytest

# The word lists, and the trainer of vocabularies (the extra cria-train).
for package in ("jieba", "names", "tokenizers", "wonderwords"):
    pytest.importorskip(package)

from cria.chat import spans
from cria.data import mixture
from cria.data.composed import acts, dress, forms, grammar, lexicon, remembered, scene, values, wordlists
from cria.data.composed import kinds as kinds_module
from cria.data.composed import told as facts
from cria.data.composed.values import KINDS
from cria.data.packing import document
from cria.data.skills.words import draw
from cria.examples import Case, Example, Item, Split
from cria.tokenizer import build
from cria.unseen.cases import read
from cria.unseen.judging import normal

NAMES = (
    "composed.calls",
    "composed.several",
    "composed.forms",
    "composed.copying",
    "composed.far",
    "composed.remembered",
    "composed.kinds",
)
COUNT = 400


def taken(name: str, split: Split = "train", count: int = COUNT, seed: int = 3) -> list[Item | Case]:
    return list(islice(mixture.generator(name)(random.Random(seed), split), count))


def examples(name: str, count: int = COUNT) -> Iterator[Example]:
    for item in taken(name, count=count):
        assert isinstance(item, Example)
        yield item


def users(example: Example) -> str:
    return "\n".join(message["content"] for message in example.messages if message["role"] == "user")


def flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_same_seed_gives_the_same_items(name: str, split: Split) -> None:
    assert taken(name, split, 60) == taken(name, split, 60)
    assert taken(name, split, 60) != taken(name, split, 60, seed=4)


@pytest.mark.parametrize("name", NAMES)
def test_the_test_has_cases_that_training_does_not(name: str) -> None:
    cases = [item for item in taken(name, "test", 100) if isinstance(item, Case)]
    assert len(cases) == 100
    asked = {users(case.prompt) for case in cases if isinstance(case.prompt, Example) and len(users(case.prompt)) > 30}
    assert not asked & {users(example) for example in examples(name)}


def test_every_value_of_a_call_stands_in_the_conversation() -> None:
    calls = 0
    for example in (*examples("composed.calls"), *examples("composed.several")):
        for message in example.messages:
            for call in message.get("tool_calls", []):
                calls += 1
                offered = [t["function"] for t in example.tools if t["function"]["name"] == call["name"]]
                assert len(offered) == 1
                assert set(offered[0]["parameters"]["required"]) <= call["arguments"].keys()
                assert call["arguments"].keys() <= offered[0]["parameters"]["properties"].keys()
                for value in call["arguments"].values():
                    assert all(str(entry) in users(example) for entry in flat(value)), (call, users(example))
    assert calls > COUNT / 2


@pytest.mark.parametrize("make", dress.DRESSES)
def test_a_function_in_a_framework_s_dress_takes_the_same_calls(
    make: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    for example in examples("composed.calls", 150):
        call = next((c for m in example.messages for c in m.get("tool_calls", [])), None)
        for tool in example.tools:
            if "anyOf" in str(tool) or "\n" in tool["function"]["description"]:
                continue
            function = make(tool)["function"]
            assert function["name"] == tool["function"]["name"]
            assert function["parameters"]["properties"].keys() == tool["function"]["parameters"]["properties"].keys()
            if call and call["name"] == function["name"]:
                jsonschema.validate(call["arguments"], function["parameters"])


def test_one_question_gets_one_call_or_none() -> None:
    kinds = {"composed/one": 1, "composed/context": 1, "composed/none": 0}
    for example in examples("composed.calls"):
        if example.kind in kinds:
            assert len(example.messages[-1].get("tool_calls", [])) == kinds[example.kind]
    assert {example.kind for example in examples("composed.calls")} == {*kinds, "composed/result"}


def test_two_requests_get_two_calls_in_their_order() -> None:
    for example in examples("composed.several"):
        first, second = example.messages[-1]["tool_calls"]
        assert first != second
        if first["name"] == second["name"]:
            (one,), (other,) = first["arguments"].values(), second["arguments"].values()
            assert users(example).index(str(one)) <= users(example).rindex(str(other))


def test_an_answer_after_a_result_says_what_it_found() -> None:
    for item in taken("composed.calls", "test"):
        if isinstance(item, Case) and item.kind == "composed/result":
            assert isinstance(item.prompt, Example)
            content = item.prompt.messages[-1]["content"]
            assert all(str(value) in content for value in item.expected)


def test_forms_hold_what_the_sentence_says() -> None:
    for example in examples("composed.forms"):
        data = json.loads(example.messages[-1]["content"])
        for key, value in data.items():
            assert isinstance(value, bool) or all(str(entry) in users(example) for entry in flat(value)), (key, value)
            assert "forced" in example.messages[-1] or key in users(example)


def test_a_copy_stands_in_the_context() -> None:
    for name in ("composed.copying", "composed.far"):
        for example in examples(name, 150):
            assert example.messages[-1]["content"] in "\n".join(m["content"] for m in example.messages[:-1])


def test_far_exercises_reach_thousands_of_letters() -> None:
    lengths = [len(users(example)) for example in examples("composed.far", 150)]
    assert max(lengths) > 4000


def test_what_is_asked_for_was_told_long_before() -> None:
    assert max(len(users(example)) for example in examples("composed.remembered", 100)) > 3000
    for item in taken("composed.remembered", "test", 100):
        assert isinstance(item, Case)
        assert isinstance(item.prompt, Example)
        assert item.expected[0] in users(item.prompt)


@pytest.mark.parametrize("merges", [[], [(b"{", b'"'), (b'"', b":"), (b'":', b'"'), (b'"', b"}")]])
def test_of_a_forced_form_the_opening_is_not_learned(merges: list[tuple[bytes, bytes]]) -> None:
    example = next(e for e in examples("composed.forms") if e.messages[-1].get("forced"))
    tokenizer = build(merges)
    made = document(example, tokenizer)
    said = tokenizer.decode([token for token, learned in zip(made.tokens, made.learned, strict=True) if learned])
    content = example.messages[-1]["content"]
    assert content.startswith('{"')
    assert said == content[2:], "it would answer every sentence with an object"
    assert any(span.forced for span in spans(example))


def pattern(text: str) -> str:
    """All that a text with brackets can become, whatever its slots are filled with, as an expression of ``re``."""
    marks = {"[": "(?:", "]": ")", "|": "|"}
    pieces = re.split(r"([\[\]|]|\{\w+\})", text)
    return "".join(marks.get(piece) or (".+" if piece.startswith("{") else re.escape(piece)) for piece in pieces)


def requests() -> Iterator[str]:
    """Every request that the acts and the voices can make, as expressions."""
    for act in acts.ACTS:
        for side, do, ask in ((act.en, grammar.DO_EN, grammar.ASK_EN), (act.zh, grammar.DO_ZH, grammar.ASK_ZH)):
            cores = {mood: f"(?:{pattern(core)}).*" for mood, core in side.moods.items()}
            for voice in do if "do" in cores else ask:
                moods = grammar.SLOT.findall(voice)
                if set(moods) <= cores.keys():
                    frames = re.split(r"\{\w+\}", voice)
                    marked = "\0".join(frames)
                    yield pattern(marked).replace(re.escape("\0"), "\0").replace("\0", cores[moods[0]]) + "[.。]?"


def sentences() -> Iterator[str]:
    """Every sentence of the forms as expressions, with names and things of up to three words and ages of two digits."""
    english, chinese = r"(?:[\w'-]+ ){0,2}[\w'-]+", "[\u4e00-\u9fff]{1,9}"
    phrases = "|".join(pattern(kind.en) for kind in KINDS.values())
    for words, aged, opened, yes, no, happened in (
        (english, forms.AGED_EN, forms.OPENING_EN, forms.YES_EN, forms.NO_EN, forms.HAPPENED_EN),
        (chinese, forms.AGED_ZH, forms.OPENING_ZH, forms.YES_ZH, forms.NO_ZH, forms.HAPPENED_ZH),
    ):
        for text in aged:
            sure = pattern(text.rstrip(".。").replace("{x}", "<x>").replace("{a}", "<a>"))
            yield sure.replace("<x>", words).replace("<a>", r"\d{1,2}") + "[.。]?"
        before = pattern(opened[0])
        if words == english:
            yield from (f"{before}the {words} is {pattern(text)}{words}[.]?" for text in (yes, no))
            yield f"{before}(?:the |a |our )?{words} {pattern(happened[0])} (?:{phrases}).*"
        else:
            yield from (f"{before}{words}{pattern(text)}{words}的?。?" for text in (yes, no))
            yield rf"{before}{words}[，\w].*{pattern(happened[0])}。?"


def told() -> Iterator[str]:
    """All that is told and asked again, with one to three words for what it is about."""
    words = (r"(?:[\w'-]+ ){0,2}[\w'-]+", "[\u4e00-\u9fff]{1,9}")
    for item in remembered.TOLD:
        for texts in (item.tell, item.ask):
            for text, any_words in zip(texts, words, strict=True):
                yield pattern(text.replace("{n}", "<w>").replace("{x}", "<w>")).replace("<w>", any_words)
    for fact in facts.facts():
        for language, any_words in zip(("en", "zh"), words, strict=True):
            for text in (*fact.tell[language], *(question.text for question in fact.ask[language])):
                yield pattern(grammar.SLOT.sub("<w>", text)).replace("<w>", any_words)


def test_no_question_of_the_evaluation_can_be_composed() -> None:
    """Neither in a sample nor at all, whatever words are filled in."""
    cases = read()
    questions = {next(m["content"] for m in reversed(case.messages) if m["role"] == "user") for case in cases}
    said = {normal(m["content"]) for name in NAMES for e in examples(name, 1000) for m in e.messages}
    assert {normal(text) for text in questions} & said == set()
    made = [re.compile(text, re.IGNORECASE) for text in (*requests(), *sentences(), *told())]
    assert len(made) > 300
    for text in ("Note: the owl is not blue.", "Zed has just turned 12", "听说香菇在滨海卖掉了。"):
        assert any(found.fullmatch(text) for found in made)
    assert any(found.fullmatch("Could you kindly put it down for me?") for found in made)
    assert [text for text in sorted(questions) if any(found.fullmatch(text) for found in made)] == []


def test_a_word_is_for_the_function_of_its_kind_and_else_for_none() -> None:
    for example in examples("composed.kinds"):
        if not example.tools:
            continue
        kinds = {tool["function"]["name"]: named(tool["function"]["name"]) for tool in example.tools}
        calls = example.messages[-1].get("tool_calls", ())
        for call in calls:
            (word,) = call["arguments"].values()
            assert [name for name, kind in kinds.items() if kinds_module.belongs(kind, word)] == [call["name"]]
        if not calls:
            (text,) = [message["content"] for message in example.messages if message["role"] == "user"]
            assert not any(text == word for kind in kinds.values() for side in wordlists.lists()[kind] for word in side)


def named(function: str) -> str:
    """The kind of thing that a function is for."""
    return next(function.removeprefix(f"{verb}_") for verb in kinds_module.VERBS if function.startswith(f"{verb}_"))


def test_every_list_has_words_in_both_languages_and_a_chinese_name() -> None:
    for name, sides in wordlists.lists().items():
        assert name in scene.chinese_keys()
        for words in sides:
            assert len(set(words)) == len(words) > 3
            assert not [word for word in words if set(word) & set("[]{}|")], "a sentence would take it for brackets"


def test_every_fact_can_be_told_and_asked_for_in_both_languages() -> None:
    for fact in facts.facts():
        slots = {slot.name for slot in fact.slots}
        for language in ("en", "zh"):
            assert all(set(grammar.SLOT.findall(text)) == slots for text in fact.tell[language])
            assert len(fact.tell[language]) > 1
            for question in fact.ask[language]:
                assert question.answers
                assert question.slot in slots - set(grammar.SLOT.findall(question.text))
                assert all(question.slot in grammar.SLOT.findall(answer) for answer in question.answers)


def test_words_come_in_thousands_and_the_splits_share_none() -> None:
    for zh in (False, True):
        for kind in ("noun", "verb", "adjective"):
            train, test = (set(lexicon.words(kind, zh=zh, split=split)) for split in ("train", "test"))
            assert len(train) > (2000 if kind == "noun" else 300)
            assert test
            assert not train & test
    assert len(lexicon.names("last", "train")) > 10_000
    assert len(lexicon.words("person", zh=True, split="train")) > 1000


def test_brackets_are_expanded_from_inside_and_values_stay_as_they_are() -> None:
    d = draw(random.Random(1), "train", 0)
    assert {grammar.expand(d, "a[b|[c|d]e]") for _ in range(60)} == {"ab", "ace", "ade"}
    assert grammar.fill("{x} and {y}", {"x": "[a|b] {y}", "y": "1"}) == "[a|b] {y} and 1"
    assert grammar.with_articles("a owl and A egg, a dog") == "an owl and An egg, a dog"


@pytest.mark.parametrize("zh", [False, True])
def test_a_marked_name_is_given_without_its_marks_and_what_stands_behind_them(zh: bool) -> None:
    d = draw(random.Random(4), "train", float(zh))
    asides = others = 0
    for _ in range(300):
        said, name = values.marked(d, values.title)
        marks, aside = said[0] + said[len(name) + 1], said[len(name) + 2 :]
        assert said[1 : len(name) + 1] == name
        assert marks in ("“”", "「」", "''", '""')
        assert not aside or aside.strip()[0] + aside[-1] in ("()", "（）")
        asides += bool(aside)
        others += any("\u4e00" <= letter <= "\u9fff" for letter in name) is not zh
    assert 100 < asides < 200
    assert 90 < others < 200


@pytest.mark.parametrize("zh", [False, True])
def test_every_act_can_be_said_in_many_ways(zh: bool) -> None:
    d = draw(random.Random(1), "train", float(zh))
    for act in acts.ACTS:
        assert act.about in KINDS or act.about == "thing"
        side = act.zh if zh else act.en
        said = {grammar.say(d, side.moods) for _ in range(200)}
        assert len(said) > 60, act.names
        assert not [text for text in said if "[" in text or "{do}" in text or "{ask}" in text or "{tell}" in text]


def test_every_phase_of_the_wide_plans_can_be_made() -> None:
    from cria.build import AFTER, ONWARD, WIDE, WIDE_SHAPE

    for phase in (phase for plan in (WIDE, ONWARD, *AFTER.values()) for phase in plan.phases):
        assert phase.length <= WIDE_SHAPE["context"]
        for name in phase.shares:
            assert name == mixture.JOINED or callable(mixture.generator(name))
