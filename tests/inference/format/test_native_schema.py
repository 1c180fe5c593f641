"""Schemas for llama.cpp's own grammars: rewritten into what these enforce, or refused."""

import re
from typing import Any

import pytest

from puna.inference.format.native_pattern import UnsupportedPatternError, native_pattern
from puna.inference.format.native_schema import NativeSchemaError, native_schema


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({}, {}),
        ({"type": "object", "title": "x", "x-guidance": {}}, {"type": "object"}),
        ({"type": "string", "minLength": 1, "description": "x"}, {"type": "string", "minLength": 1}),
        ({"maxLength": 3}, {"type": "string", "maxLength": 3}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        (
            {"type": ["string", "null"], "maxLength": 3},
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
        ),
        ({"oneOf": [{"type": "null"}, {"const": 1}]}, {"anyOf": [{"type": "null"}, {"enum": [1]}]}),
        ({"allOf": [{"type": "boolean"}]}, {"type": "boolean"}),
        ({"type": "string", "enum": ["a", 1, True]}, {"enum": ["a"]}),
        ({"type": "integer", "enum": [1, True, "a"]}, {"enum": [1]}),
        (
            {"type": "integer", "minimum": 1, "exclusiveMinimum": 1.5, "maximum": 9, "exclusiveMaximum": 9},
            {"type": "integer", "minimum": 2, "maximum": 8},
        ),
        ({"type": "array", "items": False}, {"type": "array", "items": {}, "maxItems": 0}),
        ({"type": "array", "items": True, "maxItems": 2}, {"type": "array", "items": {}, "minItems": 0, "maxItems": 2}),
        (
            {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "boolean"}},
            {"type": "array", "prefixItems": [{"type": "null"}]},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "null"}},
            {"type": "object", "additionalProperties": {"type": "null"}},
        ),
    ],
)
def test_schema_is_rewritten(schema: dict[str, Any], sent: dict[str, Any]) -> None:
    assert native_schema(schema) == sent


def test_object_has_no_further_properties_beside_listed_ones() -> None:
    schema = {
        "properties": {"a": {"type": "null"}, "b": False},
        "required": ["c"],
        "additionalProperties": {"const": 1},
    }
    assert native_schema(schema) == {
        "type": "object",
        "properties": {"a": {"type": "null"}, "c": {"enum": [1]}},
        "required": ["c"],
        "additionalProperties": False,
    }


def test_definitions_get_names_that_cannot_be_mixed_up() -> None:
    schema = {
        "$defs": {"a_b": {"type": "null"}, "a-b": {"$ref": "#/$defs/a_b"}},
        "definitions": {"a/b": {"type": "boolean"}},
        "anyOf": [{"$ref": "#/$defs/a-b"}, {"$ref": "#/definitions/a/b"}],
    }
    assert native_schema(schema) == {
        "anyOf": [{"$ref": "#/$defs/d1"}, {"$ref": "#/$defs/d2"}],
        "$defs": {"d0": {"type": "null"}, "d1": {"$ref": "#/$defs/d0"}, "d2": {"type": "boolean"}},
    }


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "number", "minimum": 0}, "minimum for type number"),
        ({"type": ["number", "null"], "maximum": 0}, "maximum for type number"),
        ({"type": "integer", "multipleOf": 2}, "multipleOf"),
        ({"type": "object", "minProperties": 1}, "minProperties"),
        ({"type": "object", "patternProperties": {}}, "patternProperties"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "false as a schema"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "prefixItems": [{}, {}], "maxItems": 1}, "prefixItems"),
        ({"type": "array", "items": False, "minItems": 1}, "items: false"),
        ({"type": "string", "format": "email"}, "format email"),
        ({"type": "string", "format": "date", "maxLength": 3}, "format date with a length"),
        ({"type": "string", "pattern": "^a$", "maxLength": 3}, "pattern with maxLength"),
        ({"type": "string", "pattern": "a"}, "the pattern 'a'"),
        ({"anyOf": [{}], "type": "string"}, "anyOf with type"),
        ({"$ref": "#/$defs/a", "type": "string", "$defs": {"a": {}}}, "$ref with type"),
        ({"$ref": "#/properties/a"}, "$ref to #/properties/a"),
        ({"allOf": [{}, {}]}, "allOf"),
        ({"minimum": 1, "maxLength": 1}, "without a type"),
        ({"type": "string", "enum": [1]}, "enum"),
        ({"enum": ["a"], "maxLength": 1}, "enum with maxLength"),
        ({"not": {}}, "not"),
        ({"type": "array", "items": {"type": "object", "properties": {"a": {"if": {}}}}}, "if"),
    ],
)
def test_what_grammars_leave_out_is_refused(schema: dict[str, Any], word: str) -> None:
    with pytest.raises(NativeSchemaError, match=re.escape(word)) as caught:
        native_schema(schema)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("^ab$", "^[a][b]$"),
        (r"^\d{2,}-\w+$", r"^[0-9]{2,}[\-][A-Za-z0-9_]+$"),
        (r"^(?:a|b)*\.c?$", "^([a]|[b])*[.][c]?$"),
        (r"^[a-c\d_.-]$", r"^[a-c0-9_.\-]$"),
        (r"^a\/\[é\^$", r"^[a][/][\[][é][\x5E]$"),
        ("^$|^no$", "^|[n][o]$"),
        ("^[ -~]$", r"^[ -!#-\[\]-~]$"),
        ("^.$", r'^[^"\\\x7F\x00-\x1F]$'),
    ],
)
def test_pattern_is_written_anew(pattern: str, written: str) -> None:
    assert native_pattern(pattern) == written


@pytest.mark.parametrize(
    "pattern",
    [
        "a",
        "^a",
        "a$",
        r"^a\$",
        "^(?=a)b$",
        "^a+?$",
        r"^\bx$",
        r"^\\$",
        '^"$',
        "^[^a]$",
        r"^[\D]$",
        "^a^b$",
        "^]$",
        "^}$",
    ],
)
def test_pattern_beyond_its_language_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        native_pattern(pattern)
