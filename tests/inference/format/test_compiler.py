"""Grammars of schemas: whatever follows one is valid; what cannot be enforced is refused by its keyword."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from tests.e2e.schemas import SchemaMaker
from tests.inference.format.corpus import PYDANTIC, REFERENCES, ZOD
from tests.inference.format.walk import Walk, accepts

from puna.inference.format.compiler import Compiler
from puna.inference.format.errors import FormatError
from puna.inference.format.unique import UniqueItems

TEXTS = 8
DRAFTS = ("draft-7", "draft-2020-12")
NOT_ENFORCED = {f"{name} {draft}" for name in ("emoji", "hostname", "never", "step") for draft in DRAFTS}
RECURSIVE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["v", "next"],
        }
    },
    "$ref": "#/$defs/node",
}
SCHEMAS: list[dict[str, Any]] = [
    {},
    RECURSIVE,
    *REFERENCES,
    {"type": "integer", "minimum": 2**53 + 1, "maximum": 2**53 + 3},
    {"type": "integer", "exclusiveMinimum": -7, "maximum": 1e3, "multipleOf": 7},
    {"type": "integer", "multipleOf": 1000},
    {"type": "number", "minimum": -0.25, "exclusiveMaximum": 0.3},
    {"type": "number", "exclusiveMinimum": 0},
    {"type": "string", "pattern": r"^(?!\.)(?!.*\.\.)[a-z.]+@[a-z]+$", "maxLength": 20},
    {"type": "string", "pattern": "b", "minLength": 2, "maxLength": 4},
    {"type": "string", "minLength": 100, "maxLength": 1000},
    {"type": "string", "pattern": r'^["\\/\n]{2}$'},
    {"type": "string", "enum": ["a", 1, True]},
    {"allOf": [{"type": ["string", "integer"], "minimum": 3}, {"type": ["integer", "null"], "maximum": 5}]},
    {"anyOf": [{"minimum": 3}, {"maximum": 1}], "type": "integer"},
    {"oneOf": [{"type": "null"}, {"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 5}]},
    {"oneOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"a": {"const": 2}}}], "type": "object"},
    {"oneOf": [{"type": "object", "properties": {name: {}}, "required": [name]} for name in "ab"]},
    {"properties": {"a": {"type": "null"}, "b": False}, "required": ["c"], "additionalProperties": {"const": 1}},
    {"properties": {"a": {}}, "patternProperties": {"^x": {"type": "null"}}, "additionalProperties": {"type": "null"}},
    {"type": "object", "propertyNames": {"pattern": "^k[0-9]$"}, "additionalProperties": {"type": "integer"}},
    {"type": "object", "propertyNames": {"enum": ["p", "q"]}, "additionalProperties": {"type": "null"}},
    {"properties": {name: {"type": "null"} for name in "abcd"}, "minProperties": 2, "maxProperties": 3},
    {"type": "object", "additionalProperties": {"type": "null"}, "maxProperties": 2, "minProperties": 1},
    {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}], "items": {"const": 1}, "minItems": 1},
    {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}], "maxItems": 1},
    {"type": "array", "items": {"type": "null"}, "minItems": 20, "maxItems": 33},
    {"type": "array", "items": False},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 2},
    {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 4}, "uniqueItems": True, "maxItems": 3},
    {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083},
    {"type": "string", "format": "nobody knows", "maxLength": 3},
    {"unknownKeyword": 1, "type": "null"},
    *PYDANTIC.values(),
    *(schema for name, schema in ZOD.items() if name not in NOT_ENFORCED),
    *(SchemaMaker(seed, depth=seed % 6).make() for seed in range(150)),
]


def grammar(schema: dict[str, Any]) -> str:
    return Compiler(schema).text()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_whatever_follows_the_grammar_is_valid(schema: dict[str, Any]) -> None:
    kind = validator_for(schema, Draft202012Validator)
    kind.check_schema(schema)
    validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
    walk = Walk(grammar(schema))
    for seed in range(TEXTS):
        once = UniqueItems(schema)
        text = once.feed(walk.text(seed))
        errors = [error.message for error in validator.iter_errors(json.loads(text))]
        assert not errors, (text, errors)
        assert once.is_valid(), text


@pytest.mark.parametrize("name", sorted(NOT_ENFORCED))
def test_what_zod_writes_and_nobody_can_enforce_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        grammar(ZOD[name])


@pytest.mark.parametrize(
    ("keyword", "schema"),
    [
        ("not", {"not": {}}),
        ("not", {"type": "object", "properties": {"deep": {"type": "array", "items": {"not": {"const": 1}}}}}),
        ("if", {"if": {"required": ["a"]}, "then": {"required": ["b"]}}),
        ("contains", {"type": "array", "contains": {"type": "integer"}}),
        ("dependentRequired", {"type": "object", "dependentRequired": {"a": ["b"]}}),
        ("unevaluatedProperties", {"type": "object", "unevaluatedProperties": False}),
        ("oneOf", {"oneOf": [{"type": "integer"}, {"type": "number"}]}),
        ("oneOf", {"oneOf": [{"properties": {"a": {}}}, {"type": "string"}]}),
        ("pattern", {"type": "string", "pattern": "(?<=a)b"}),
        ("pattern", {"type": "string", "pattern": "("}),
        ("pattern", {"type": "string", "pattern": r"(a)\1"}),
        ("pattern", {"type": "string", "pattern": "^a{,3}$"}),
        ("multipleOf", {"type": "integer", "multipleOf": 9999991}),
        ("multipleOf", {"type": "number", "multipleOf": 0.1}),
        ("minProperties", {"type": "object", "minProperties": 2}),
        ("$ref", {"$ref": "#"}),
        ("$ref", {"allOf": [{"$ref": "#"}]}),
        ("$ref", {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        (
            "$id",
            {"$defs": {"x": {}}, "items": {"$id": "b", "$ref": "#/$defs/x", "$defs": {"x": False}}, "type": "array"},
        ),
        ("$ref", {"$ref": "https://example.com/schema.json"}),
    ],
)
def test_keyword_that_cannot_be_enforced_is_named(keyword: str, schema: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match=r"^format: unsupported JSON Schema keyword: ") as caught:
        grammar(schema)
    assert f"keyword: {keyword}" in str(caught.value)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "foo"},
        {"$ref": "#/$defs/none"},
        {"type": "integer", "minimum": 5, "maximum": 3},
        {"properties": 5},
        {"type": "string", "minLength": -1},
        {"type": "string", "format": "date", "maxLength": 3},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"type": "array", "items": False, "minItems": 1},
        {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}, "required": ["next"]}}, "$ref": "#/$defs/n"},
    ],
)
def test_schema_that_means_nothing_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match=r"^format: invalid JSON Schema: "):
        grammar(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": list(range(100_000))},
        {"type": "string", "pattern": "^(?:a{1000}){1000}b$"},
        {"type": "string", "pattern": "^(a|b)*a(a|b){20}$"},
        {"allOf": [{"anyOf": [{"minimum": low}, {"maximum": low}]} for low in range(30)]},
        {"type": "integer", "multipleOf": 997, "minimum": 10**40},
        {"const": "x" * (1 << 21)},
    ],
)
def test_bomb_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="too large"):
        grammar(schema)


@pytest.mark.parametrize("schema", [{"type": "array", "minItems": 10**9}, {"type": "string", "maxLength": 10**9}])
def test_grammar_grows_with_the_logarithm_of_a_count(schema: dict[str, Any]) -> None:
    assert len(grammar(schema)) < 10_000


@pytest.mark.parametrize(("schema", "others"), [({"properties": {}}, False), ({}, True)])
def test_an_empty_list_of_properties_is_a_list(schema: dict[str, Any], others: bool) -> None:
    made = grammar({"type": "object", **schema})
    assert accepts(made, "{}")
    assert accepts(made, '{"a": 1}') == others


def test_deep_and_wide_schemas_are_taken() -> None:
    deep: dict[str, Any] = {"type": "null"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"a": deep}, "required": ["a"]}
    assert grammar(deep)
    assert grammar({"type": "object", "properties": {f"p{number}": {"type": "integer"} for number in range(500)}})
