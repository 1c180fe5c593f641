"""Whatever follows the grammar of a family's calls is one for its parser, with arguments that are valid."""

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
from tests.inference.format.walk import Walk

from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.format.calls import Plan, calls_grammar
from puna.inference.format.gbnf_cost import check_grammar
from puna.inference.output.events import OutputEvent, ToolCallParsed

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
    for seed in range(60):
        called.update(valid_calls(parsed(name, walk.text(seed), FUNCTIONS), FUNCTIONS))
    assert called == set(FUNCTIONS)


@pytest.mark.parametrize("name", BOUND)
def test_any_schema_is_kept(name: str) -> None:
    for seed in range(25):
        functions = {f"f{seed}": schema(seed)}
        walk = Walk(calls_grammar(plan(name, functions, mode="required", parallel=False)))
        for attempt in range(4):
            text = walk.text(attempt, 60)
            assert len(list(valid_calls(parsed(name, text, functions), functions))) == 1, text
