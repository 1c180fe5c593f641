"""Whatever follows the grammar of a family's calls is one for its parser, with arguments that are valid."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jsonschema
import orjson
import pytest
from tests.inference.format.walk import Walk, accepts

from puna.inference.families.harmony import prompt_names
from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.format import constraint
from puna.inference.format.calls import JSON_ALONE, JSON_IN_TAGS, Plan, Thoughts, calls_grammar, read_plan
from puna.inference.format.constraint import bind_calls
from puna.inference.format.errors import FormatError
from puna.inference.format.gbnf_cost import check_grammar
from puna.inference.output.events import ContentText, OutputEvent, ThinkingText, ToolCallParsed

SCALARS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "minLength": 2, "maxLength": 5},
    {"type": "string", "maxLength": 400},
    {"type": "string", "pattern": "^[a-z]{2,4}$"},
    {"type": "string", "format": "date"},
    {"enum": ["r2", "]", '"', "null", "<a>", "it's", "two words", "\n"]},
    {"enum": [1, "1", None, True, 2.5]},
    {"const": "x"},
    {"type": "integer", "minimum": 3},
    {"type": "integer"},
    {"type": "number", "exclusiveMaximum": 0.5},
    {"type": "boolean"},
    {"type": ["string", "null"]},
    {"type": ["integer", "string"]},
    {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}, {"type": "null"}]},
    {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]},
    {"$ref": "#/$defs/point"},
    {},
]
POINT = {"type": "object", "properties": {"x": {"type": "number"}, "label": {"type": "string"}}, "required": ["x"]}
FUNCTIONS: dict[str, dict[str, Any]] = {
    "r1": {"type": "object", "properties": {"root": {"enum": ["r2", "]", '"']}}, "required": ["root"]},
    "two": {"properties": {"n": {"type": "integer", "minimum": 3}, "x": {"type": ["string", "null"]}}},
    "not-enforced": {"type": "object", "not": {"required": ["a"]}},
    "nothing": {},
    "further": {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": {"type": "integer", "minimum": 0},
    },
}
BOUND = sorted(name for name, parsing in PARSERS.items() if parsing.calls)


def schema(seed: int) -> dict[str, Any]:
    """Return the parameters of a function; the same seed makes the same."""
    chance = random.Random(seed)

    def one(depth: int) -> dict[str, Any]:
        match chance.random() if depth else 1.0:
            case low if low < 0.2:
                return {"type": "array", "items": one(depth - 1), "maxItems": chance.randint(1, 3)}
            case low if low < 0.4:
                return several(depth - 1)
        return chance.choice(SCALARS)

    def several(depth: int) -> dict[str, Any]:
        names = chance.sample(
            ["city", "n", "since.when", "_x", "Größe", "list-of", "type", "value"], chance.randint(0, 4)
        )
        required = [name for name in names if chance.random() < 0.5]
        return {"type": "object", "properties": {name: one(depth) for name in names}, "required": required}

    return several(2) | {"$defs": {"point": POINT}}


def parsed(name: str, text: str, functions: Mapping[str, Any], *, think: bool = False) -> list[OutputEvent]:
    parser = PARSERS[name].make(Asked(tools=functions, think=think))
    return [*parser.feed(text), *parser.finish()]


def plan(name: str, functions: Mapping[str, Any], **more: Any) -> Plan:
    shape = PARSERS[name].calls
    assert shape is not None
    return Plan(dict(functions), shape, **more)


def valid_calls(events: list[OutputEvent], functions: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the functions called; each call must be valid, and there must be nothing else."""
    assert events
    for event in events:
        assert isinstance(event, ToolCallParsed), event
        arguments = json.loads(event.arguments_json)
        assert isinstance(arguments, dict)
        if event.name != "not-enforced":
            jsonschema.validate(arguments, functions[event.name])
        yield event.name


@pytest.mark.parametrize("name", BOUND)
def test_a_forced_call_is_a_call(name: str) -> None:
    grammar = calls_grammar(plan(name, FUNCTIONS, mode="required"))
    check_grammar(grammar)
    walk = Walk(grammar)
    called: set[str] = set()
    for seed in range(30):
        called.update(valid_calls(parsed(name, walk.text(seed), FUNCTIONS), FUNCTIONS))
    assert called == set(FUNCTIONS)


@pytest.mark.parametrize("name", BOUND)
def test_any_schema_is_kept(name: str) -> None:
    for seed in range(12):
        functions = {f"f{seed}": schema(seed)}
        walk = Walk(calls_grammar(plan(name, functions, mode="required", parallel=False)))
        for attempt in range(3):
            text = walk.text(attempt, 60)
            assert len(list(valid_calls(parsed(name, text, functions), functions))) == 1, text


def one_call(name: str) -> str:
    """Return a call of a function without arguments, as a family writes it."""
    return Walk(calls_grammar(plan(name, {"now": NO_ARGUMENTS}, mode="required", parallel=False))).text(2)


AT_THE_BEGINNING = {"functionary-3.2", "glm4", "llama3", "python-list", "xlam"}
"""Calls that are such only as the beginning of an answer, for nothing but their form marks them there."""
OPEN = AT_THE_BEGINNING | {"glimmer"}  # who is addressed in it by an unknown name is no function
NO_ARGUMENTS = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}


@pytest.mark.parametrize("name", BOUND)
def test_free_text_and_calls(name: str) -> None:
    call = one_call(name)
    several = calls_grammar(plan(name, {"now": NO_ARGUMENTS}))
    one = calls_grammar(plan(name, {"now": NO_ARGUMENTS}, parallel=False))
    none = calls_grammar(plan(name, {"now": NO_ARGUMENTS}, mode="none"))
    for grammar in (several, one, none):
        check_grammar(grammar)
        assert accepts(grammar, "")
        assert accepts(grammar, "It is < 5 o'clock. [now] {}")
    for grammar in (several, one):
        assert accepts(grammar, call)
        assert accepts(grammar, f"Let me see.{call}")
        assert not accepts(grammar, f"{call}Done."), "nothing comes after calls"
        if name not in OPEN:
            assert not accepts(grammar, f"Let me see.{call}".replace("now", "then"))
        assert not accepts(grammar, call.replace("1", "2"))
    assert not accepts(one, call + call)
    assert not accepts(none, call)
    assert accepts(none, f"Let me see.{call}") == (name in AT_THE_BEGINNING)


@pytest.mark.parametrize("name", BOUND)
def test_thoughts_may_speak_of_calls(name: str) -> None:
    shape = PARSERS[name].calls
    assert shape is not None
    call, mention = one_call(name), f"I could write {shape.mark} here"
    thoughts = Thoughts("</think>")
    free = calls_grammar(plan(name, {"now": NO_ARGUMENTS}, thoughts=thoughts))
    forced = calls_grammar(plan(name, {"now": NO_ARGUMENTS}, mode="required", thoughts=thoughts))
    begun = calls_grammar(
        plan(name, {"now": NO_ARGUMENTS}, mode="required", thoughts=replace(thoughts, opening="<think>"))
    )
    for grammar in (free, forced, begun):
        check_grammar(grammar)
    for grammar in (free, forced):
        assert accepts(grammar, f"{mention}</think>{call}")
        assert not accepts(grammar, f"{mention}</think>{call}".replace("1", "2"))
    assert accepts(free, f"{mention}</think>Hello")
    assert accepts(free, mention)
    assert not accepts(forced, f"{mention}</think>Hello")
    assert not accepts(forced, mention)
    assert accepts(begun, call)
    assert accepts(begun, f"<think>{mention}</think>{call}")


def test_a_call_in_thoughts_is_bound() -> None:
    bound = calls_grammar(plan("qwen3-thinking", {"now": NO_ARGUMENTS}, thoughts=Thoughts("</think>")))
    said = 'Hm.<tool_call>\n{"name": "now", "arguments": {"a": 1}}\n</tool_call>'
    assert accepts(bound, said)
    assert not accepts(bound, said.replace("1", "2"))
    [thought, call] = parsed("qwen3-thinking", said, {}, think=True)
    assert (thought, call) == (ThinkingText("Hm."), ToolCallParsed("now", '{"a":1}'))


def test_thoughts_that_speak_of_calls_are_thoughts() -> None:
    call = '<tool_call>{"name": "now", "arguments": {}}</tool_call>'
    for closing in ("", call):
        said = f"Shall I say <tool_call> now?\n</think>\n\nNo.{closing}"
        events = parsed("qwen3-thinking", said, {}, think=True)
        thought = "".join(event.text for event in events if isinstance(event, ThinkingText))
        content = "".join(event.text for event in events if isinstance(event, ContentText))
        assert (thought, content) == ("Shall I say <tool_call> now?", "No.")
        assert isinstance(events[-1], ToolCallParsed) == bool(closing)


@pytest.mark.parametrize("name", BOUND)
def test_how_a_family_thinks_is_known(name: str) -> None:
    """What the parser takes for thoughts the grammar does as well: text up to the mark that ends them."""
    parsing = PARSERS[name]
    for think in (True, False):
        asked = Asked(tools={"now": NO_ARGUMENTS}, think=think)
        thoughts = parsing.thoughts(asked)
        if thoughts is None:
            continue
        resumed = f"{thoughts.opening}Hm.{thoughts.closing}{thoughts.resume}{one_call(name).lstrip(chr(10))}"
        parser = parsing.make(asked)
        *thought, call = [*parser.feed(resumed), *parser.finish()]
        assert call == ToolCallParsed("now", '{"a":1}')
        assert thought in ([ThinkingText("Hm.")], [])
        grammar = calls_grammar(plan(name, {"now": NO_ARGUMENTS}, mode="required", thoughts=thoughts))
        assert accepts(grammar, resumed)


def test_forms_of_harmony() -> None:
    grammar = calls_grammar(plan("harmony", dict.fromkeys(prompt_names(["now"]), NO_ARGUMENTS)))
    addressed = ' to=functions.now<|channel|>commentary <|constrain|>json<|message|>{"a":1}'
    said = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
    assert accepts(grammar, addressed)
    assert accepts(grammar, said + addressed)
    assert not accepts(grammar, addressed.replace("1", "2"))
    assert accepts(grammar, f"{said}<|channel|>final<|message|>One to=functions.now")


NESTED: dict[str, Any] = {
    "properties": {
        "stops": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
        "tree": {"$ref": "#/$defs/tree"},
        "marks": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["stops"],
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"left": {"$ref": "#/$defs/tree"}, "size": {"type": "number"}},
            "required": ["size"],
        }
    },
}


def test_what_is_in_arguments_has_tags_of_its_own() -> None:
    grammar = calls_grammar(plan("minimax-m3", {"go": NESTED}, mode="required"))
    check_grammar(grammar)
    said = (
        '@<tool_call>\n@<invoke name="go">@<stops>@<item>@<city>12@</city>@<days>3@</days>@</item>'
        '@<item>@<city>B@</city>@</item>@</stops>@<tree>@<left>@<size>1.5@</size>@</left>@<size>2@</size>@</tree>@<marks>["a","a"]@</marks>'
        "@</invoke>\n@</tool_call>"
    )

    def written(text: str) -> str:
        return text.replace("@", "]<]minimax[>[")

    assert accepts(grammar, written(said))
    for old, new in (
        ("<days>3", "<days>three"),
        ("@<city>B@</city>", "@<days>1@</days>"),
        ("@<size>1.5@</size>", ""),
        ("</city>", "</town>"),
        ("@<item>@<city>B@</city>@</item>", '{"city":"B"}'),
    ):
        assert not accepts(grammar, written(said.replace(old, new))), new
    [call] = parsed("minimax-m3", written(said), {"go": NESTED})
    assert isinstance(call, ToolCallParsed)
    assert json.loads(call.arguments_json) == {
        "stops": [{"city": "12", "days": 3}, {"city": "B"}],
        "tree": {"left": {"size": 1.5}, "size": 2},
        "marks": ["a", "a"],
    }
    [call] = parsed("minimax-m3", written('@<tool_call>@<invoke name="f">@<a>@<item>1@</item>@</a>@</invoke>'), {})
    assert call == ToolCallParsed("f", '{"a":["1"]}')


def test_types_are_told() -> None:
    types = {"n": {"type": "integer"}, "t": {"type": "string"}, "o": {"type": "object", "properties": {}}}
    grammar = calls_grammar(plan("kimi-k3", {"go": {"properties": types, "required": [*types]}}))
    said = "".join(
        f'<|open|>argument key="{key}" type="{kind}"<|sep|>{value}<|close|>argument<|sep|>'
        for key, kind, value in (("n", "number", "1"), ("t", "string", "2"), ("o", "object", "{}"))
    )
    head, end = (
        '<|open|>tools<|sep|><|open|>call tool="go" index="1"<|sep|>',
        "<|close|>call<|sep|><|close|>tools<|sep|>",
    )
    answer = f"<|close|>response<|sep|>{head}{said}{end}<|close|>message<|sep|>"
    assert accepts(grammar, answer)
    assert accepts(grammar, answer.removeprefix("<|close|>response<|sep|>"))
    assert not accepts(grammar, answer.replace('"number"', '"string"'))
    assert parsed("kimi-k3", answer, {}) == [ToolCallParsed("go", '{"n":1,"t":"2","o":{}}')]
    in_json = f'{head}<|open|>json type="object"<|sep|>{{"n": 1}}<|close|>json<|sep|>{end}'
    assert parsed("kimi-k3", in_json, {}) == [ToolCallParsed("go", '{"n":1}')]


def test_calls_whose_names_cannot_be_written() -> None:
    with pytest.raises(FormatError, match="no function whose call could be written"):
        calls_grammar(plan("lfm2", {"say (hi)": {}}, mode="required"))
    assert calls_grammar(Plan({'say "hi"': {}}, JSON_ALONE, mode="required"))


async def test_large_plans_are_made_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {f"f{number}": schema(number) for number in range(4)}
    for shape in (JSON_IN_TAGS, *(PARSERS[name].calls for name in ("glimmer", "cohere"))):
        assert shape is not None
        asked = Plan(functions, shape, "required", thoughts=Thoughts("</think>"))
        assert read_plan(orjson.dumps(asked)) == asked
        here = Walk(calls_grammar(asked)).text(0)
        monkeypatch.setattr(constraint, "_SMALL", 0)
        assert accepts((await bind_calls(asked)).grammar, here)


async def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraint, "_LONGEST_GRAMMAR", 1000)
    with pytest.raises(FormatError, match="too large"):
        await bind_calls(Plan(FUNCTIONS | {"only-here": {}}, JSON_IN_TAGS))
