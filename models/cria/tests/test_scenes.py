"""The scenes: readable, right by construction, and apart from the cases typed by hand."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import jsonschema
import pytest

for package in ("jieba", "names", "tokenizers", "wonderwords"):
    pytest.importorskip(package)

from cria.chat import chat_prompt
from cria.data import mixture
from cria.data.composed import dress, scene
from cria.data.composed.grammar import SLOT
from cria.data.composed.scene import Scene, Sentence, scenes
from cria.data.skills.words import draw
from cria.evaluate import post
from cria.examples import Case, Example
from cria.unseen.cases import read
from cria.unseen.judging import normal

NAMES = ("composed.scene_calls", "composed.scene_forms", "composed.scene_named", "composed.scene_session")
COUNT = 600


def examples(name: str, count: int = COUNT) -> Iterator[Example]:
    for item in islice(mixture.generator(name)(random.Random(5), "train"), count):
        assert isinstance(item, Example)
        yield item


WORDY = 4
"""The fewest letters that a sentence has beside its slots: with less, right values make it almost anything."""


def pattern(text: str) -> str:
    """All that a sentence with brackets can become, with values without commas, as an expression of ``re``."""
    marks = {"[": "(?:", "]": ")", "|": "|"}
    pieces = re.split(r"([\[\]|]|\{\w+\})", text)
    value = "[^,:，：。]+"
    return "".join(marks.get(piece) or (value if piece.startswith("{") else re.escape(piece)) for piece in pieces)


def wordy(text: str) -> bool:
    """Whether a sentence has words of its own beside its slots."""
    return len(re.findall(r"\w", SLOT.sub("", text))) >= WORDY


def requests(made: Scene) -> Iterator[Sentence]:
    """Every sentence of a scene that a user says."""
    for said in (made.en, made.zh):
        yield from (*said.requests, *said.beside)
        for talk in said.talks:
            yield from (talk.before, talk.request)


def sentences(made: Scene) -> Iterator[tuple[Sentence, set[str]]]:
    """Every sentence of a scene with the slots that it may have."""
    slots = {slot.name for slot in made.slots}
    yield from ((entry, slots) for entry in requests(made))
    if made.result:
        fields = {slot.name for slot in made.result.fields}
        yield from ((entry, slots | fields) for entry in (made.result.en, made.result.zh))


@pytest.mark.parametrize("made", scenes(), ids=lambda made: made.name)
def test_a_scene_can_be_said_in_both_languages(made: Scene) -> None:
    needed = {slot.name for slot in made.slots if not slot.optional}
    truths = {slot.name for slot in made.slots if slot.type == "bool"}
    for said in (made.en, made.zh):
        assert len(said.requests) > 1
        assert any(needed <= entry.slots for entry in said.requests)
        assert all(needed <= talk.slots for talk in said.talks)
        assert all(set(SLOT.findall(talk.reply)) <= set(SLOT.findall(talk.before.text)) for talk in said.talks)
    for entry, allowed in sentences(made):
        assert entry.slots <= allowed, entry
        assert entry.text.count("[") == entry.text.count("]")
        assert not truths & set(SLOT.findall(entry.text)), "a truth is implied, never named"
    keys = [name for slot in made.slots for name in slot.names]
    assert len(set(keys)) == len(keys), "two slots may have the same key"


def test_every_type_of_a_slot_has_values() -> None:
    for zh in (0.0, 1.0):
        d = draw(random.Random(1), "train", zh)
        for made in scenes():
            for slot in (*made.slots, *(made.result.fields if made.result else ())):
                if slot.type == "bool":
                    continue
                said, found = scene.value(d, slot, scene.choices(d, slot))
                assert said
                assert found or found == 0


def test_no_scene_shares_a_function_or_a_question_with_the_evaluation() -> None:
    cases = read()
    offered = {tool["function"]["name"] for case in cases for tool in case.tools}
    own = {made.name for made in scenes()}
    assert len(own) == len(scenes()) > 100
    assert not own & offered
    questions = {normal(next(m["content"] for m in reversed(case.messages) if m["role"] == "user")) for case in cases}
    said = {normal(m["content"]) for name in NAMES for e in examples(name, 2000) for m in e.messages}
    assert not questions & said
    made = [
        re.compile(pattern(normal(entry.text)), re.IGNORECASE)
        for s in scenes()
        for entry in requests(s)
        if wordy(entry.text)
    ]
    assert any(found.fullmatch("put 3 pears on the list") for found in made)
    assert [text for text in sorted(questions) if any(found.fullmatch(text) for found in made)] == []


def test_a_call_obeys_the_definition_and_says_what_was_said() -> None:
    calls = 0
    for example in (*examples(NAMES[0]), *examples(NAMES[2], 200)):
        offered = {tool["function"]["name"]: tool["function"] for tool in example.tools}
        assert len(offered) == len(example.tools)
        wanted = example.messages[-1].get("tool_calls", [])
        assert len(wanted) == {"scene/one": 1, "scene/again": 1, "scene/named": 1, "scene/two": 2}.get(example.kind, 0)
        for call in wanted:
            calls += 1
            parameters = offered[call["name"]]["parameters"]
            jsonschema.validate(call["arguments"], {**parameters, "additionalProperties": False})
            said = "\n".join(m["content"] for m in example.messages if m["role"] == "user")
            copied = [v for v in call["arguments"].values() if isinstance(v, str)]
            defined = json.dumps(parameters, ensure_ascii=False)  # choices may lie deep in it
            assert [value for value in copied if value not in said and f'"{value}"' not in defined] == []
    assert calls > COUNT / 2


def test_in_a_session_every_call_is_for_what_was_just_asked() -> None:
    for example in examples(NAMES[3], 300):
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in example.tools}
        for at, message in enumerate(example.messages):
            for call in message.get("tool_calls", []):
                assert example.messages[at - 1]["role"] == "user"
                earlier = 3 if example.kind == "scene/talk" else 1
                asked = "\n".join(said["content"] for said in example.messages[at - earlier : at])
                assert all(later["role"] == "tool" for later in example.messages[at + 1 : at + 2])
                jsonschema.validate(call["arguments"], {**offered[call["name"]], "additionalProperties": False})
                written = [v for v in call["arguments"].values() if isinstance(v, str)]
                defined = json.dumps(offered[call["name"]], ensure_ascii=False)  # choices may lie deep in it
                assert [v for v in written if v not in asked and f'"{v}"' not in defined] == []


def test_what_a_talk_said_first_is_in_its_call() -> None:
    talks = [example for example in examples(NAMES[3], 2000) if example.kind == "scene/talk"]
    assert len(talks) > 300
    both = 0
    for example in talks:
        first, last = (m["content"] for m in example.messages if m["role"] == "user")
        (call,) = example.messages[-1]["tool_calls"]
        said = [str(value) for value in call["arguments"].values() if isinstance(value, str | int)]
        both += any(v in first and v not in last for v in said) and any(v in last and v not in first for v in said)
    assert both > 100


def test_what_a_scene_is_not_for_is_refused_beside_its_function() -> None:
    near = {made.name: [*made.en.beside, *made.zh.beside] for made in scenes()}
    assert sum(map(len, near.values())) > 500
    for example in examples(NAMES[0], 3000):
        offered = {name for tool in example.tools if (name := tool["function"]["name"]) in near}
        text = next(m["content"] for m in reversed(example.messages) if m["role"] == "user")
        if any(
            entry.text in text for name in offered for entry in near[name] if not entry.slots and len(entry.text) > 8
        ):
            assert "tool_calls" not in example.messages[-1]


def test_a_choice_that_a_sentence_says_without_naming_it_is_written_as_the_schema_has_it() -> None:
    d = draw(random.Random(1), "train", 1.0)
    chosen = scene.Choices(("冷", "热"), ("冷", "热"), ("cold", "hot"))
    assert scene.implied("hot", chosen) == ("", "热")
    assert scene.implied(True, None) == ("", True)
    assert scene.implied(24, None) == ("", 24)
    (slot,) = scene.slots("level:enum(cold 冷,hot 热)")
    assert {scene.choices(d, slot).english for _ in range(9)} == {("cold", "hot")}


def test_a_form_holds_what_its_sentence_says() -> None:
    forced = 0
    for example in examples(NAMES[1]):
        last = example.messages[-1]
        data: dict[str, Any] = json.loads(last["content"])
        assert data
        forced += bool(last.get("forced"))
        said = example.messages[-2]["content"]
        if not last.get("forced"):
            assert all(key in said or key.replace("_", " ") in said for key in data)
    assert COUNT / 4 < forced < COUNT * 3 / 4


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_and_the_test_has_other_words(name: str) -> None:
    assert list(examples(name, 60)) == list(examples(name, 60))
    cases = list(islice(mixture.generator(name)(random.Random(5), "test"), 600))
    assert all(isinstance(case, Case) for case in cases)
    asked = {
        case.prompt.messages[-1]["content"]
        for case in cases
        if isinstance(case, Case) and isinstance(case.prompt, Example) and len(case.prompt.messages[-1]["content"]) > 40
    }
    same = asked & {m["content"] for e in examples(name) for m in e.messages}
    assert len(same) < len(asked) / 20, "more than those whose only values are small numbers"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    from puna.testing import Server

    with Server() as server:
        yield server.url


def rendered(url: str, example: Example) -> str:
    """The prompt that a server makes of a conversation."""
    messages = [
        {**message, "tool_calls": [{"function": call} for call in message.get("tool_calls", [])]}
        for message in example.messages
    ]
    asked = {"model": "cria", "messages": messages, "stream": False, "think": example.thinking}
    made = post(f"{url}/api/chat", asked | {"tools": list(example.tools), "_debug_render_only": True})
    return str(made["_debug_info"]["rendered_template"])


def test_a_definition_is_sent_on_in_the_order_of_the_api(url: str) -> None:
    found = {"title": "X", "enum": ["a"], "type": "string", "default": None, "description": "d"}
    either = {"default": None, "title": "Y", "anyOf": [{"type": "string"}, {"type": "null"}]}
    parameters = {"properties": {"x": found, "y": either}, "required": ["x"], "title": "f", "type": "object"}
    tool = {"type": "function", "function": {"name": "f", "description": "F", "parameters": parameters}}
    example = Example(({"role": "user", "content": "hi"},), (tool,))
    sent = replace(example, tools=(dress.as_sent_on(tool),))
    assert chat_prompt(sent) != chat_prompt(example)
    assert rendered(url, example) == chat_prompt(sent)


@pytest.mark.parametrize("name", [name for name in mixture.WIDE if name.startswith("composed.")])
def test_the_server_asks_the_model_as_training_does(url: str, name: str) -> None:
    """Word for word, up to every answer: what was called and what came back too."""
    for example in examples(name, 6):
        tools = tuple(dress.as_sent_on(tool) for tool in example.tools)
        answers = [at for at, message in enumerate(example.messages) if message["role"] == "assistant"]
        part = replace(example, messages=example.messages[: answers[-1]], tools=tools)
        if len(chat_prompt(part)) < 3000:  # what does not fit the context is cut
            assert rendered(url, part) == chat_prompt(part)
