"""Requests that ask for far more than they look like: schemas, grammars, templates and options that grow.

Sizes follow from chance, so that each kind is tried below, at and beyond what bounds it.
"""

import random
import string
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
Bomb = dict[str, Any]
"""What is put over the body of a chat, and for ``template`` of a generation."""
_HI = [{"role": "user", "content": "hi"}]


def bomb(chance: random.Random) -> tuple[str, str, Bomb]:
    """Return the name of a kind, a path and a body without its model."""
    group = chance.choices(list(_GROUPS), (50, 17, 15, 18))[0]
    make = chance.choice(_GROUPS[group])
    body: Bomb = {"stream": chance.random() < 0.5, "options": {"num_predict": chance.choice((2, 8, 20))}}
    made = make(chance)
    kind = f"{group} {make.__name__.strip('_')}"
    if group == "schema":
        where = chance.random()
        if where < 0.15:
            tool = {"type": "function", "function": {"name": "f", "parameters": made}}
            return kind + " of a tool", "/api/chat", body | {"messages": _HI, "tools": [tool]}
        return kind, "/api/chat", body | {"messages": _HI, "format": made}
    if group == "grammar":
        body["options"]["grammar"] = made
    elif group == "options":
        body["options"] |= made.pop("options", {})
        body |= made
    elif group == "template":
        return kind, "/api/generate", body | {"prompt": "hi", "template": made}
    return kind, "/api/chat", {"messages": _HI} | body


def jinja(chance: random.Random) -> str:
    """Return a template for inside a GGUF."""
    count = _size(chance)
    loop = f"{{% for i in range({count}) %}}{{% for j in range({count}) %}}a{{% endfor %}}{{% endfor %}}"
    doubling = "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}" + (
        f"{{% for i in range({chance.randrange(8, 40)}) %}}{{% set ns.x = ns.x + ns.x %}}{{% endfor %}}{{{{ ns.x }}}}"
    )
    times = chance.randrange(8, 34)
    listing = "{% set ns = namespace(x=[1]) %}" + (
        f"{{% for i in range({times}) %}}{{% set ns.x = ns.x + ns.x %}}{{% endfor %}}{{{{ ns.x|length }}}}"
    )
    return chance.choice(
        (
            loop,
            doubling,
            listing,
            f"{{{{ 'a' * {count} }}}}",
            "{% if messages|length > 5 %}" + loop + "{% endif %}{{ messages[0].content }}",
            "{% if messages[-1].content == 'hi' %}" + loop + "{% endif %}{{ messages[-1].content }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{{ " + "(" * count + "1" + ")" * count + " }}" if count < 10**6 else "{{ [[[",
            "{{ " + "-" * min(count, 10**6) + "1 }}",
            "{% if 1 %}" * min(count, 10**5) + "{% endif %}" * min(count, 10**5),
            f"{{{{ range({count})|list|length }}}}",
            f"{{{{ range({count})|join('xxxxxxxx') }}}}",
            f"{{{{ 'x'|indent({count}) }}}}",
            f"{{{{ 'ab'|replace('a', 'b' * {count}) }}}}",
        )
    )


def _size(chance: random.Random) -> int:
    return int(10 ** chance.uniform(1, 9.5))


def _few(chance: random.Random, most: int) -> int:
    """Return a number whose bytes a body may hold."""
    return min(_size(chance), most)


def _items(chance: random.Random) -> Schema:
    inner: Schema = {"type": chance.choice(("integer", "string", "boolean"))}
    for _ in range(chance.randrange(3)):
        inner = {"type": "array", "items": inner, "minItems": _size(chance), "maxItems": 10**10}
    return {"type": "array", "items": inner, chance.choice(("minItems", "maxItems")): _size(chance)}


def _lengths(chance: random.Random) -> Schema:
    schema: Schema = {"type": "string", chance.choice(("minLength", "maxLength")): _size(chance)}
    return schema | ({"pattern": chance.choice(("^a*$", "b", "^(ab|c)+$"))} if chance.random() < 0.5 else {})


def _property_counts(chance: random.Random) -> Schema:
    return {"type": "object", chance.choice(("minProperties", "maxProperties")): _size(chance)}


def _references_that_double(chance: random.Random) -> Schema:
    depth = _few(chance, 2000)
    link = chance.choice(("properties", "anyOf", "allOf", "prefixItems"))

    def body(at: int) -> Schema:
        both = [{"$ref": f"#/$defs/d{at + 1}"}] * 2
        if link == "properties":
            return {"type": "object", "properties": dict(zip("ab", both, strict=True)), "required": ["a", "b"]}
        return {link: both} | ({"type": "array", "minItems": 2} if link == "prefixItems" else {})

    defs: Schema = {f"d{at}": body(at) for at in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": defs | {f"d{depth}": {"type": "null"}}}


def _cycle(chance: random.Random) -> Schema:
    length = _few(chance, 500)
    defs = {f"d{at}": {"$ref": f"#/$defs/d{(at + 1) % length}"} for at in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": defs} if chance.random() < 0.7 else {"$ref": "#"}


def _recursion(chance: random.Random) -> Schema:
    width = _few(chance, 300)
    properties = {f"p{at}": {"$ref": "#"} for at in range(width)}
    required = list(properties)[: chance.choice((0, 1, width))]
    return {"type": "object", "properties": properties, "required": required}


def _multiples(chance: random.Random) -> Schema:
    number = chance.choice((_size(chance), _size(chance) * 2 + 1, 1 / _size(chance), 12345678, 9999991, 1e-300, 1e300))
    schema: Schema = {"type": chance.choice(("integer", "number")), "multipleOf": number}
    if chance.random() < 0.4:
        schema["allOf"] = [{"multipleOf": chance.randrange(1, 10**5)} for _ in range(chance.randrange(1, 8))]
    return {"type": "object", "properties": {"n": schema}, "required": ["n"]} if chance.random() < 0.5 else schema


def _bounds(chance: random.Random) -> Schema:
    number = 10 ** _few(chance, 4000) - 1
    schema: Schema = {"type": "integer", "minimum": number}
    return schema | chance.choice(
        ({}, {"maximum": number + _size(chance)}, {"multipleOf": 7}, {"not": {"const": number}})
    )


def _pattern(chance: random.Random) -> Schema:
    count = _few(chance, 20_000)
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
    return schema | ({"maxLength": _size(chance)} if chance.random() < 0.3 else {})


def _patterns_together(chance: random.Random) -> Schema:
    parts = [{"pattern": f".*{letter}.{{{chance.randrange(1, 20)}}}"} for letter in string.ascii_lowercase]
    many = parts[: chance.randrange(2, 27)]
    return {"type": "string", chance.choice(("allOf", "anyOf", "oneOf")): many}


def _formats_together(chance: random.Random) -> Schema:
    names = ["date-time", "email", "uri", "uuid", "ipv6", "hostname", "duration", "date", "time", "ipv4"]
    parts = [{"format": name} for name in chance.sample(names, chance.randrange(1, 4))]
    parts += [{"pattern": chance.choice((".*a.*", "^.{10,2000}$", "[0-9]{3}"))}]
    return {"type": "string", "allOf": parts, "maxLength": _size(chance)}


def _enum(chance: random.Random) -> Schema:
    count = _few(chance, 150_000)
    values: list[Any] = [f"v{at}" for at in range(count)]
    if chance.random() < 0.3:
        values = [{"k": value, "n": [1, 2]} for value in values]
    return {"enum": values} | ({"not": {"enum": values[::2]}} if chance.random() < 0.3 else {})


def _alternatives(chance: random.Random) -> Schema:
    count = _few(chance, 3000)
    parts = [
        {"type": "object", "properties": {"kind": {"const": f"k{at}"}, f"p{at % 7}": {"type": "string"}}}
        for at in range(count)
    ]
    return {chance.choice(("anyOf", "oneOf")): parts}


def _products(chance: random.Random) -> Schema:
    """Return choices whose combinations are as many as the product of their counts."""
    count, width = _few(chance, 60), chance.randrange(2, 12)
    choices = [
        {"anyOf": [{"properties": {f"p{at}_{way}": {"type": "null"}}} for way in range(width)]} for at in range(count)
    ]
    return {"type": "object", "allOf": choices}


def _conditions(chance: random.Random) -> Schema:
    schema: Schema = {"type": "object"}
    for at in range(_few(chance, 40)):
        schema = {"if": {"properties": {"a": {"const": at}}}, "then": schema, "else": {"not": {"const": at}}}
    return schema


def _nots(chance: random.Random) -> Schema:
    schema: Schema = {"type": "string", "pattern": "a.{20}b"}
    for _ in range(_few(chance, 40)):
        schema = {"type": ["string", "object"], "allOf": [{"not": schema}]}
    return schema


def _unique(chance: random.Random) -> Schema:
    items = chance.choice(({"enum": list(range(_few(chance, 300)))}, {"type": "integer"}, {"type": "boolean"}))
    return {"type": "array", "items": items, "uniqueItems": True, "minItems": _few(chance, 10**6)}


def _property_names(chance: random.Random) -> Schema:
    names = {"pattern": "^(" + "|".join(f"k{at}" for at in range(_few(chance, 5000))) + ")$"}
    return {"type": "object", "propertyNames": names, "additionalProperties": {"type": "integer"}}


def _property_patterns(chance: random.Random) -> Schema:
    patterns = {f"^.{{0,{at}}}{string.ascii_lowercase[at % 26]}": {"minimum": at} for at in range(_few(chance, 40))}
    return {"type": "object", "patternProperties": patterns, "properties": {"ab": {"type": "number"}}}


def _many_properties(chance: random.Random) -> Schema:
    properties = {f"p{at}": {"type": "integer", "minimum": at} for at in range(_few(chance, 30_000))}
    return {"type": "object", "properties": properties, "required": list(properties)[:: chance.choice((1, 2, 10**6))]}


def _deep(chance: random.Random) -> Schema:
    schema: Schema = {"type": "null"}
    for _ in range(_few(chance, 150)):
        schema = chance.choice(({"type": "array", "items": schema}, {"anyOf": [schema]}, {"properties": {"a": schema}}))
    return schema


def _needs(chance: random.Random) -> Schema:
    names = [f"p{at}" for at in range(_few(chance, 2000))]
    return {
        "type": "object",
        chance.choice(("dependentRequired", "dependencies")): dict.fromkeys(names, names[:50]),
    }


def _repeated(chance: random.Random) -> str:
    low, high = _size(chance), _size(chance)
    inner = chance.choice(('"a"', "[a-z]", "x", '("a" | "b")', '("a"{1,50}){1,50}'))
    count = chance.choice((f"{{{low}}}", f"{{{low},{high}}}", f"{{0,{high}}}", f"{{{low},}}", "{5,2}"))
    return f'root ::= {inner}{count}\nx ::= "x" | "xx"'


def _ambiguous(chance: random.Random) -> str:
    rules = _few(chance, 300)
    lines = ["root ::= a0", *(f"a{at} ::= a{at + 1} | a{at + 1} a{at + 1}" for at in range(rules)), f'a{rules} ::= "a"']
    return "\n".join(lines)


def _nested_repeats(chance: random.Random) -> str:
    depth = _few(chance, 3000)
    return "root ::= " + "(" * depth + chance.choice(('"a"', '""', '"a" | "b"')) + (")" + chance.choice("*+?")) * depth


def _left_recursion(chance: random.Random) -> str:
    rules = _few(chance, 2000)
    lines = [f'a{at} ::= {chance.choice(("", "e "))}a{(at + 1) % rules} | "b"' for at in range(rules)]
    return "\n".join(["root ::= a0", 'e ::= "" | "z"', *lines])


def _open_ways(chance: random.Random) -> str:
    width = chance.randrange(2, 60)
    ways = " | ".join(f'"a"{{0,{at + 1}}} x' for at in range(width))
    return f'root ::= x\nx ::= ({ways} | "b")*' if chance.random() < 0.5 else f"root ::= x*\nx ::= {ways}"


def _endless_recursion(chance: random.Random) -> str:
    return chance.choice(
        (
            'root ::= "a" root "b" | "a" root "c" | "a"',
            'root ::= "(" root ")" root | "(" root | ""',
            'root ::= "a"? root2\nroot2 ::= "a"? root3\nroot3 ::= "a"? root | "b"',
            'root ::= x x x x x x x x\nx ::= "a" x | "a" | "aa" x',
            "root ::= root",
            "root ::= root root",
        )
    )


def _many_rules(chance: random.Random) -> str:
    count = _few(chance, 40_000)
    return "\n".join(
        ["root ::= " + " | ".join(f"r{at}" for at in range(count)), *(f'r{at} ::= "r{at}"' for at in range(count))]
    )


def _wide_characters(chance: random.Random) -> str:
    letters = "".join(chr(0x4E00 + 2 * at) for at in range(_few(chance, 20_000)))
    return f"root ::= [{letters}]{{1,{_few(chance, 5000)}}}"


def _long_literal(chance: random.Random) -> str:
    return 'root ::= "' + chance.choice(("a", "\\x41", "\\u4e00", "ü")) * _few(chance, 300_000) + '"'


def _doubling_text(chance: random.Random) -> str:
    times = chance.randrange(4, 60)
    return '{{ $x := "aaaaaaaaaaaaaaaa" }}' + "{{ $x = print $x $x }}" * times + "{{ $x }}"


def _wide(chance: random.Random) -> str:
    return chance.choice(
        ('{{ printf "%%%dd" 1 }}', '{{ printf "%%.%df" 1.5 }}', '{{ printf "%%-%ds" .Prompt }}')
    ) % _size(chance)


def _star(chance: random.Random) -> str:
    return f'{{{{ printf "%*d" {_size(chance)} 1 }}}}{{{{ printf "%[99999999999]d" 1 }}}}'


def _calls_itself(chance: random.Random) -> str:
    twice = '{{ template "x" . }}' * chance.choice((1, 2, 3))
    return f'{{{{ define "x" }}}}{twice}{{{{ end }}}}{{{{ template "x" . }}}}'


def _calls_double(chance: random.Random) -> str:
    depth = _few(chance, 400)
    parts = []
    for at in range(depth):
        call = f'{{{{ template "t{at + 1}" . }}}}'
        parts.append(f'{{{{ define "t{at}" }}}}{call}{call}{{{{ end }}}}')
    return "".join(parts) + f'{{{{ define "t{depth}" }}}}a{{{{ end }}}}{{{{ template "t0" . }}}}'


def _ranges(chance: random.Random) -> str:
    depth = chance.randrange(2, 12)
    over = chance.choice((".Messages", f"{_size(chance)}", '(slice "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" 0)'))
    return f"{{{{ range {over} }}}}" * depth + "a" + "{{ end }}" * depth + "{{ .Prompt }}"


def _deep_blocks(chance: random.Random) -> str:
    depth = _few(chance, 30_000)
    opened, closed = chance.choice(
        (("{{ if 1 }}", "{{ end }}"), ("{{ with .Prompt }}", "{{ end }}"), ("{{ if 0 }}a{{ else }}", "{{ end }}"))
    )
    return opened * depth + "x" + closed * depth


def _deep_expression(chance: random.Random) -> str:
    depth = _few(chance, 60_000)
    return chance.choice(
        (
            "{{ " + "(" * depth + "1" + ")" * depth + " }}",
            "{{ 1 " + "| print " * depth + " }}",
            "{{ " + "not " * depth + "1 }}",
        )
    )


def _long(chance: random.Random) -> str:
    return chance.choice(("a", "{{ .Prompt }}", "{{/* c */}}", "{{ 1 }}", "{{ $a := 1 }}", "{{")) * _few(chance, 60_000)


def _odd_calls(chance: random.Random) -> str:
    return chance.choice(
        (
            "{{ index .Messages 99999999999999999999 }}",
            "{{ slice .Prompt 0 -1 }}",
            "{{ len 1 }}",
            '{{ html (printf "%s" .) }}{{ js . }}{{ urlquery . }}',
            "{{ call .Prompt }}",
            "{{ json . }}" * 200,
            "{{ 1e400000000 }}",
            "{{ 0x" + "f" * 20000 + " }}",
            "{{ " + "9" * 100_000 + " }}",
            "{{ eq " + ". " * 5000 + "}}",
            "{{ and " + "1 " * 20000 + "}}",
        )
    )


def _look_back(chance: random.Random) -> Bomb:
    names = ("dry_penalty_last_n", "repeat_last_n", "dry_allowed_length", "min_keep", "top_k", "num_keep")
    options = dict.fromkeys(chance.sample(names, 3), chance.choice((2**31 - 1, _size(chance) % 2**31)))
    return {"options": options | {"dry_multiplier": 1}}


def _breakers(chance: random.Random) -> Bomb:
    breakers = [f"b{at}" * chance.choice((1, 300)) for at in range(chance.choice((1, 32, 33, 20_000)))]
    return {"options": {"dry_multiplier": 1, "dry_sequence_breakers": breakers}}


def _biases(chance: random.Random) -> Bomb:
    count = chance.choice((1, 400, 9_999, 30_000))
    pairs = chance.choice(
        (
            [[at, 1e6] for at in range(count)],
            [["9" * count, 1]],
            [["word " * 150, -1]] * count,
            [[2**31 - 1 - at, 1] for at in range(count)],
            [[at, False] for at in range(count)],
        )
    )
    return {"options": {"logit_bias": pairs}}


def _stops(chance: random.Random) -> Bomb:
    return {
        "options": {"stop": ["a" * 999 + str(at) for at in range(chance.choice((1, 256, 5000)))], "num_predict": 20}
    }


def _context(chance: random.Random) -> Bomb:
    return {
        "options": {
            "num_ctx": chance.choice((2**31 - 1, 10**6, 131_072, 1, 8)),
            "num_batch": chance.choice((1, 512, 2**20)),
        }
    }


def _probabilities(chance: random.Random) -> Bomb:
    return {"logprobs": True, "top_logprobs": 20, "options": {"n_probs": _size(chance), "num_predict": 20}}


def _extremes(chance: random.Random) -> Bomb:
    names = (
        "temperature",
        "mirostat_tau",
        "mirostat_eta",
        "dry_base",
        "dynatemp_range",
        "dynatemp_exponent",
        "top_n_sigma",
    )
    options = {name: chance.choice((1e6, -1e6, 1e-45, 0, 3.4e38)) for name in chance.sample(names, 3)}
    return {"options": options | {"mirostat": chance.choice((0, 1, 2)), "typical_p": 0, "top_p": 0, "num_predict": 20}}


def _long_prompt(chance: random.Random) -> Bomb:
    text = chance.choice(("a ", "\U0001f999", " ", "9", "aaaa")) * _few(chance, 400_000)
    return {"messages": [{"role": "user", "content": text}]}


def _many_messages(chance: random.Random) -> Bomb:
    return {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * _few(chance, 15_000)
        + _HI
    }


def _many_tools(chance: random.Random) -> Bomb:
    count = _few(chance, 2_000)
    parameters = {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(20)}}
    tools = [{"type": "function", "function": {"name": f"f{at}", "parameters": parameters}} for at in range(count)]
    return {"tools": tools}


def _many_values(chance: random.Random) -> Bomb:
    value: Any = chance.choice((0, [], {}, "", {"a": []}))
    return {chance.choice(("tools", "odd", "format", "stop")): [value] * _few(chance, 3_000_000)}


def _many_images(chance: random.Random) -> Bomb:
    return {"messages": [{"role": "user", "content": "x", "images": ["AAAA" * 10_000] * _few(chance, 200)}]}


_GROUPS: dict[str, tuple[Callable[[random.Random], Any], ...]] = {
    "schema": (
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
    ),
    "grammar": (
        _repeated,
        _ambiguous,
        _nested_repeats,
        _left_recursion,
        _open_ways,
        _endless_recursion,
        _many_rules,
        _wide_characters,
        _long_literal,
    ),
    "template": (
        _doubling_text,
        _wide,
        _star,
        _calls_itself,
        _calls_double,
        _ranges,
        _deep_blocks,
        _deep_expression,
        _long,
        _odd_calls,
    ),
    "options": (
        _look_back,
        _breakers,
        _biases,
        _stops,
        _context,
        _probabilities,
        _extremes,
        _long_prompt,
        _many_messages,
        _many_tools,
        _many_images,
        _many_values,
    ),
}
