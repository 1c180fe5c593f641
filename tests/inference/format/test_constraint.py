"""The way from a request's format to what binds an answer: off the event loop, once, and kept within bounds."""

import asyncio
import threading
from typing import Any

import pytest

from puna.inference.format import apart, constraint
from puna.inference.format.compiler import Compiler
from puna.inference.format.constraint import Constraint, bind
from puna.inference.format.errors import FormatError
from puna.inference.format.gbnf import GrammarError
from puna.inference.format.unique import UniqueItems

SLOW: dict[str, Any] = {"type": "string", "pattern": "^(?:a|b)*a(?:a|b){20}$"}
INTEGERS = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}


async def test_nothing_binds_free_text() -> None:
    assert await bind("") == ""


async def test_json_is_an_object() -> None:
    made = await bind("json")
    assert isinstance(made, Constraint)
    assert made == await bind({"type": "object"})


async def test_event_loop_goes_on_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    compiling, may_end = threading.Event(), threading.Event()

    class Waiting(Compiler):
        def text(self) -> str:
            compiling.set()
            assert may_end.wait(60), "the event loop stands still"
            return super().text()

    monkeypatch.setattr(apart, "Compiler", Waiting)
    asked = asyncio.ensure_future(bind({"type": "integer", "title": "meanwhile"}))
    while not compiling.is_set():
        await asyncio.sleep(0.01)
    may_end.set()
    assert isinstance(await asked, Constraint)


async def test_what_was_refused_is_refused_again_without_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        with pytest.raises(FormatError, match="too large"):
            await bind(SLOW | {"title": "twice"})
        monkeypatch.setattr(apart, "Compiler", None)
        monkeypatch.setattr(constraint, "_apart", None)


async def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = constraint._Cache(2000)
    for number in range(100):
        cache.put(b"%d" % number, 600, Constraint("x"))
    assert cache.get(b"96") is None
    assert cache.get(b"97") == cache.get(b"99") == Constraint("x")


async def test_own_grammar_is_read_and_excludes_a_format() -> None:
    assert await bind("", 'root ::= "a"') == ""
    with pytest.raises(GrammarError):
        await bind("", "root ::= a")
    with pytest.raises(FormatError, match="grammar"):
        await bind("json", 'root ::= "a"')


@pytest.mark.parametrize(
    ("schema", "said", "passed"),
    [
        (INTEGERS, "[1, 2, 1, 1.0, 3]", "[1, 2, 3]"),
        (INTEGERS, "[ ]", "[ ]"),
        (INTEGERS | {"items": {"type": "object"}}, '[{"a": "]", "b": 2}, {"b": 2, "a": "]"}]', '[{"a": "]", "b": 2}]'),
        (INTEGERS | {"items": INTEGERS}, "[[1, 1], [1], [2]]", "[[1], [2]]"),
        ({"properties": {"a": INTEGERS, "b": {"type": "array"}}}, '{"a": [1,1], "b": [1,1]}', '{"a": [1], "b": [1,1]}'),
        ({"anyOf": [{"type": "null"}, INTEGERS]}, "[7,7]", "[7]"),
    ],
)
def test_items_that_were_there_before_are_left_out(schema: dict[str, Any], said: str, passed: str) -> None:
    for size in (1, 3, len(said)):
        once = UniqueItems(schema)
        assert "".join(once.feed(said[at : at + size]) for at in range(0, len(said), size)) == passed
        assert once.is_valid()


def test_too_few_items_are_noticed() -> None:
    once = UniqueItems(INTEGERS | {"minItems": 2})
    assert once.feed("[1,1]") == "[1]"
    assert not once.is_valid()


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("more", [{"maxItems": 5}, {"minItems": 2}])
async def test_alternatives_that_begin_alike_and_hold_each_other_are_refused(more: dict[str, int], far: bool) -> None:
    items = {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1}
    schema: dict[str, Any] = {"$ref": "#/$defs/a"}
    if far:
        schema = {"type": "object", "properties": {"k" * 600: schema}, "required": ["k" * 600]}
    with pytest.raises(FormatError, match="begin alike"):
        await bind({**schema, "$defs": {"a": {"anyOf": [items, items | more, {"type": "null"}]}}})


async def test_alternatives_that_are_told_apart_may_hold_each_other() -> None:
    def node(name: str, **fields: Any) -> dict[str, Any]:
        properties = {"type": {"const": name}, **fields}
        return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}

    inner = {"$ref": "#/$defs/a"}
    nodes = [node("add", left=inner, right=inner), node("mul", left=inner, right=inner), node("one")]
    assert await bind({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": nodes}}})
