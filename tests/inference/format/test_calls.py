"""Whatever follows the grammar of a family's calls is one for its parser, with arguments that are valid."""

import json
from typing import Any

import jsonschema
import pytest
from tests.inference.format.walk import Walk

from puna.inference.families.parsers import PARSERS
from puna.inference.families.parsing import Asked
from puna.inference.format import calls
from puna.inference.format.calls import JSON_IN_TAGS, bind_calls
from puna.inference.format.gbnf_cost import check_grammar
from puna.inference.output.events import ToolCallParsed

FUNCTIONS: dict[str, dict[str, Any]] = {
    "r1": {"type": "object", "properties": {"root": {"enum": ["r2", "]", '"']}}, "required": ["root"]},
    'say "hi"': {"properties": {"n": {"type": "integer", "minimum": 3}, "x": {"type": ["string", "null"]}}},
    "not-enforced": {"type": "object", "not": {"required": ["a"]}},
    "nothing": {},
}
BOUND = sorted(name for name, parsing in PARSERS.items() if parsing.calls)


@pytest.mark.parametrize("name", BOUND)
async def test_calls_are_calls(name: str) -> None:
    shape = PARSERS[name].calls
    assert shape is not None
    fields = await bind_calls(shape, FUNCTIONS)
    assert fields["grammar_triggers"][0]["value"] == shape.mark
    assert shape.mark in PARSERS[name].preserved, "else the engine would not see it where it is a control token"
    check_grammar(fields["grammar"])
    walk = Walk(fields["grammar"])
    called = set()
    for seed in range(60):
        parser = PARSERS[name].make(Asked(tools=FUNCTIONS, think=False))
        events = parser.feed(walk.text(seed)) + parser.finish()
        assert events
        for event in events:
            assert isinstance(event, ToolCallParsed), event
            arguments = json.loads(event.arguments_json)
            assert isinstance(arguments, dict)
            if event.name != "not-enforced":
                jsonschema.validate(arguments, FUNCTIONS[event.name])
            called.add(event.name)
    assert called == set(FUNCTIONS)


async def test_too_much_is_not_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_LONGEST", 1000)
    assert await bind_calls(JSON_IN_TAGS, FUNCTIONS) == {}
