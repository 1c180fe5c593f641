"""Schemas are looked at before the engine gets them: what it cannot enforce is refused by name."""

from typing import Any

import pytest

from puna.inference.format.schema import UnsupportedSchemaError, engine_schema


def test_json_means_any_object() -> None:
    assert engine_schema("json")["type"] == "object"


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"enum": ["a", 1, None]}, {"const": {"x": [1]}}])
def test_schema_stays_as_it_is(schema: dict[str, Any]) -> None:
    sent = engine_schema(schema)
    assert {name: value for name, value in sent.items() if name != "x-guidance"} == schema


@pytest.mark.parametrize(
    ("keyword", "schema"),
    [
        ("not", {"not": {"type": "string"}}),
        ("if", {"if": {"required": ["a"]}, "then": {"required": ["b"]}}),
        ("uniqueItems", {"type": "array", "uniqueItems": True}),
        ("contains", {"type": "array", "contains": {"type": "integer"}}),
        ("propertyNames", {"type": "object", "propertyNames": {"pattern": "^x"}}),
        ("dependentRequired", {"type": "object", "dependentRequired": {"a": ["b"]}}),
        ("unevaluatedProperties", {"type": "object", "unevaluatedProperties": False}),
        ("oneOf", {"oneOf": [{"type": "integer"}, {"type": "number"}]}),
        ("pattern", {"type": "string", "pattern": "(?=a)b"}),
        ("not", {"type": "object", "properties": {"deep": {"type": "array", "items": {"not": {}}}}}),
    ],
)
def test_keyword_that_cannot_be_enforced_is_named(keyword: str, schema: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedSchemaError, match=rf"^format: .*\b{keyword}\b") as caught:
        engine_schema(schema)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "foo"},
        {"$ref": "#/$defs/none"},
        {"$ref": "https://example.com/schema.json"},
        {"type": "string", "pattern": "("},
        {"type": "integer", "minimum": 5, "maximum": 3},
        {"properties": 5},
        {"type": "string", "minLength": -1},
    ],
)
def test_schema_that_means_nothing_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedSchemaError, match=r"^format: "):
        engine_schema(schema)
