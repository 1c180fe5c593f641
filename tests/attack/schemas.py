"""Schemas that ask for far more than they look like."""

import random
import string
from collections.abc import Callable
from typing import Any

from tests.attack.sizes import few, size

Schema = dict[str, Any]


def _items(chance: random.Random) -> Schema:
    inner: Schema = {"type": chance.choice(("integer", "string", "boolean"))}
    for _ in range(chance.randrange(3)):
        inner = {"type": "array", "items": inner, "minItems": size(chance), "maxItems": 10**10}
    return {"type": "array", "items": inner, chance.choice(("minItems", "maxItems")): size(chance)}


def _lengths(chance: random.Random) -> Schema:
    schema: Schema = {"type": "string", chance.choice(("minLength", "maxLength")): size(chance)}
    return schema | ({"pattern": chance.choice(("^a*$", "b", "^(ab|c)+$"))} if chance.random() < 0.5 else {})


def _property_counts(chance: random.Random) -> Schema:
    return {"type": "object", chance.choice(("minProperties", "maxProperties")): size(chance)}


def _references_that_double(chance: random.Random) -> Schema:
    depth = few(chance, 2000)
    link = chance.choice(("properties", "anyOf", "allOf", "prefixItems"))

    def body(at: int) -> Schema:
        both = [{"$ref": f"#/$defs/d{at + 1}"}] * 2
        if link == "properties":
            return {"type": "object", "properties": dict(zip("ab", both, strict=True)), "required": ["a", "b"]}
        return {link: both} | ({"type": "array", "minItems": 2} if link == "prefixItems" else {})

    defs: Schema = {f"d{at}": body(at) for at in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": defs | {f"d{depth}": {"type": "null"}}}


def _cycle(chance: random.Random) -> Schema:
    length = few(chance, 500)
    defs = {f"d{at}": {"$ref": f"#/$defs/d{(at + 1) % length}"} for at in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": defs} if chance.random() < 0.7 else {"$ref": "#"}


def _recursion(chance: random.Random) -> Schema:
    width = few(chance, 300)
    properties = {f"p{at}": {"$ref": "#"} for at in range(width)}
    required = list(properties)[: chance.choice((0, 1, width))]
    return {"type": "object", "properties": properties, "required": required}


def _multiples(chance: random.Random) -> Schema:
    number = chance.choice((size(chance), size(chance) * 2 + 1, 1 / size(chance), 12345678, 9999991, 1e-300, 1e300))
    schema: Schema = {"type": chance.choice(("integer", "number")), "multipleOf": number}
    if chance.random() < 0.4:
        schema["allOf"] = [{"multipleOf": chance.randrange(1, 10**5)} for _ in range(chance.randrange(1, 8))]
    return {"type": "object", "properties": {"n": schema}, "required": ["n"]} if chance.random() < 0.5 else schema


def _bounds(chance: random.Random) -> Schema:
    number = 10 ** few(chance, 4000) - 1
    schema: Schema = {"type": "integer", "minimum": number}
    return schema | chance.choice(
        ({}, {"maximum": number + size(chance)}, {"multipleOf": 7}, {"not": {"const": number}})
    )


def _pattern(chance: random.Random) -> Schema:
    count = few(chance, 20_000)
    letters = string.ascii_lowercase
    pattern = chance.choice(
        (
            f"^a{{{count}}}$",
            f"^(a{{{min(count, 1000)}}}){{{min(count, 1000)}}}$",
            f"^(a?){{{count}}}a{{{count}}}$",
            f"^((a|b){{0,{count}}}c){{0,{count}}}$",
            f"^.*a.{{{min(count, 60)}}}$",
            f"(a|b)*a(a|b){{{min(count, 60)}}}",
            "^" + "(" * min(count, 5000) + "a" + ")*" * min(count, 5000) + "$",
            "^(" + "|".join(letters[at % 26] * (at % 90 + 1) for at in range(count)) + ")*$",
            "^(a+)+(b+)+(a*)*$",
            f"^(?=.*a)(?=.*b)(?!.*c).{{0,{count}}}$",
            "^" + "".join(f"(?=.*{letter})" for letter in letters[: chance.randrange(2, 26)]) + ".*$",
            f"^[\\p{{L}}\\p{{N}}]{{{count}}}$",
            f"^\\w{{0,{count}}}\\b\\W{{0,{count}}}$",
            f"^(.{{0,{min(count, 200)}}}a){{{chance.randrange(2, 200)}}}$",
            "[" + "".join(chr(0x4E00 + 2 * at) for at in range(count)) + "]{50}",
        )
    )
    schema: Schema = {"type": "string", "pattern": pattern}
    return schema | ({"maxLength": size(chance)} if chance.random() < 0.3 else {})


def _patterns_together(chance: random.Random) -> Schema:
    parts = [{"pattern": f".*{letter}.{{{chance.randrange(1, 20)}}}"} for letter in string.ascii_lowercase]
    many = parts[: chance.randrange(2, 27)]
    return {"type": "string", chance.choice(("allOf", "anyOf", "oneOf")): many}


def _formats_together(chance: random.Random) -> Schema:
    names = ["date-time", "email", "uri", "uuid", "ipv6", "hostname", "duration", "date", "time", "ipv4"]
    parts = [{"format": name} for name in chance.sample(names, chance.randrange(1, 4))]
    parts += [{"pattern": chance.choice((".*a.*", "^.{10,2000}$", "[0-9]{3}"))}]
    return {"type": "string", "allOf": parts, "maxLength": size(chance)}


def _enum(chance: random.Random) -> Schema:
    count = few(chance, 150_000)
    values: list[Any] = [f"v{at}" for at in range(count)]
    if chance.random() < 0.3:
        values = [{"k": value, "n": [1, 2]} for value in values]
    return {"enum": values} | ({"not": {"enum": values[::2]}} if chance.random() < 0.3 else {})


def _alternatives(chance: random.Random) -> Schema:
    count = few(chance, 3000)
    parts = [
        {"type": "object", "properties": {"kind": {"const": f"k{at}"}, f"p{at % 7}": {"type": "string"}}}
        for at in range(count)
    ]
    return {chance.choice(("anyOf", "oneOf")): parts}


def _products(chance: random.Random) -> Schema:
    """Return choices whose combinations are as many as the product of their counts."""
    count, width = few(chance, 60), chance.randrange(2, 12)
    choices = [
        {"anyOf": [{"properties": {f"p{at}_{way}": {"type": "null"}}} for way in range(width)]} for at in range(count)
    ]
    return {"type": "object", "allOf": choices}


def _conditions(chance: random.Random) -> Schema:
    schema: Schema = {"type": "object"}
    for at in range(few(chance, 40)):
        schema = {"if": {"properties": {"a": {"const": at}}}, "then": schema, "else": {"not": {"const": at}}}
    return schema


def _nots(chance: random.Random) -> Schema:
    schema: Schema = {"type": "string", "pattern": "a.{20}b"}
    for _ in range(few(chance, 40)):
        schema = {"type": ["string", "object"], "allOf": [{"not": schema}]}
    return schema


def _unique(chance: random.Random) -> Schema:
    items = chance.choice(({"enum": list(range(few(chance, 300)))}, {"type": "integer"}, {"type": "boolean"}))
    return {"type": "array", "items": items, "uniqueItems": True, "minItems": few(chance, 10**6)}


def _property_names(chance: random.Random) -> Schema:
    names = {"pattern": "^(" + "|".join(f"k{at}" for at in range(few(chance, 5000))) + ")$"}
    return {"type": "object", "propertyNames": names, "additionalProperties": {"type": "integer"}}


def _property_patterns(chance: random.Random) -> Schema:
    patterns = {f"^.{{0,{at}}}{string.ascii_lowercase[at % 26]}": {"minimum": at} for at in range(few(chance, 40))}
    return {"type": "object", "patternProperties": patterns, "properties": {"ab": {"type": "number"}}}


def _many_properties(chance: random.Random) -> Schema:
    properties = {f"p{at}": {"type": "integer", "minimum": at} for at in range(few(chance, 30_000))}
    return {"type": "object", "properties": properties, "required": list(properties)[:: chance.choice((1, 2, 10**6))]}


def _deep(chance: random.Random) -> Schema:
    schema: Schema = {"type": "null"}
    for _ in range(few(chance, 150)):
        schema = chance.choice(({"type": "array", "items": schema}, {"anyOf": [schema]}, {"properties": {"a": schema}}))
    return schema


def _needs(chance: random.Random) -> Schema:
    names = [f"p{at}" for at in range(few(chance, 2000))]
    return {
        "type": "object",
        chance.choice(("dependentRequired", "dependencies")): dict.fromkeys(names, names[:50]),
    }


SCHEMAS: tuple[Callable[[random.Random], Schema], ...] = (
    _items,
    _lengths,
    _property_counts,
    _references_that_double,
    _cycle,
    _recursion,
    _multiples,
    _bounds,
    _pattern,
    _pattern,
    _patterns_together,
    _formats_together,
    _enum,
    _alternatives,
    _products,
    _conditions,
    _nots,
    _unique,
    _property_names,
    _property_patterns,
    _many_properties,
    _deep,
    _needs,
)
