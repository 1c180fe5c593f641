"""Requests that ask for far more than they look like: schemas, grammars, templates and options that grow.

Sizes follow from chance, so that each kind is tried below, at and beyond what bounds it.
"""

import random
from collections.abc import Callable
from typing import Any

from tests.attack.schemas import SCHEMAS
from tests.attack.sizes import few, size

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
    count = size(chance)
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


def _repeated(chance: random.Random) -> str:
    low, high = size(chance), size(chance)
    inner = chance.choice(('"a"', "[a-z]", "x", '("a" | "b")', '("a"{1,50}){1,50}'))
    count = chance.choice((f"{{{low}}}", f"{{{low},{high}}}", f"{{0,{high}}}", f"{{{low},}}", "{5,2}"))
    return f'root ::= {inner}{count}\nx ::= "x" | "xx"'


def _ambiguous(chance: random.Random) -> str:
    rules = few(chance, 300)
    lines = ["root ::= a0", *(f"a{at} ::= a{at + 1} | a{at + 1} a{at + 1}" for at in range(rules)), f'a{rules} ::= "a"']
    return "\n".join(lines)


def _nested_repeats(chance: random.Random) -> str:
    depth = few(chance, 3000)
    return "root ::= " + "(" * depth + chance.choice(('"a"', '""', '"a" | "b"')) + (")" + chance.choice("*+?")) * depth


def _left_recursion(chance: random.Random) -> str:
    rules = few(chance, 2000)
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
    count = few(chance, 40_000)
    return "\n".join(
        ["root ::= " + " | ".join(f"r{at}" for at in range(count)), *(f'r{at} ::= "r{at}"' for at in range(count))]
    )


def _wide_characters(chance: random.Random) -> str:
    letters = "".join(chr(0x4E00 + 2 * at) for at in range(few(chance, 20_000)))
    return f"root ::= [{letters}]{{1,{few(chance, 5000)}}}"


def _long_literal(chance: random.Random) -> str:
    return 'root ::= "' + chance.choice(("a", "\\x41", "\\u4e00", "ü")) * few(chance, 300_000) + '"'


def _doubling_text(chance: random.Random) -> str:
    times = chance.randrange(4, 60)
    return '{{ $x := "aaaaaaaaaaaaaaaa" }}' + "{{ $x = print $x $x }}" * times + "{{ $x }}"


def _wide(chance: random.Random) -> str:
    return chance.choice(
        ('{{ printf "%%%dd" 1 }}', '{{ printf "%%.%df" 1.5 }}', '{{ printf "%%-%ds" .Prompt }}')
    ) % size(chance)


def _star(chance: random.Random) -> str:
    return f'{{{{ printf "%*d" {size(chance)} 1 }}}}{{{{ printf "%[99999999999]d" 1 }}}}'


def _calls_itself(chance: random.Random) -> str:
    twice = '{{ template "x" . }}' * chance.choice((1, 2, 3))
    return f'{{{{ define "x" }}}}{twice}{{{{ end }}}}{{{{ template "x" . }}}}'


def _calls_double(chance: random.Random) -> str:
    depth = few(chance, 400)
    parts = []
    for at in range(depth):
        call = f'{{{{ template "t{at + 1}" . }}}}'
        parts.append(f'{{{{ define "t{at}" }}}}{call}{call}{{{{ end }}}}')
    return "".join(parts) + f'{{{{ define "t{depth}" }}}}a{{{{ end }}}}{{{{ template "t0" . }}}}'


def _ranges(chance: random.Random) -> str:
    depth = chance.randrange(2, 12)
    over = chance.choice((".Messages", f"{size(chance)}", '(slice "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" 0)'))
    return f"{{{{ range {over} }}}}" * depth + "a" + "{{ end }}" * depth + "{{ .Prompt }}"


def _deep_blocks(chance: random.Random) -> str:
    depth = few(chance, 30_000)
    opened, closed = chance.choice(
        (("{{ if 1 }}", "{{ end }}"), ("{{ with .Prompt }}", "{{ end }}"), ("{{ if 0 }}a{{ else }}", "{{ end }}"))
    )
    return opened * depth + "x" + closed * depth


def _deep_expression(chance: random.Random) -> str:
    depth = few(chance, 60_000)
    return chance.choice(
        (
            "{{ " + "(" * depth + "1" + ")" * depth + " }}",
            "{{ 1 " + "| print " * depth + " }}",
            "{{ " + "not " * depth + "1 }}",
        )
    )


def _long(chance: random.Random) -> str:
    return chance.choice(("a", "{{ .Prompt }}", "{{/* c */}}", "{{ 1 }}", "{{ $a := 1 }}", "{{")) * few(chance, 60_000)


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
    options = dict.fromkeys(chance.sample(names, 3), chance.choice((2**31 - 1, size(chance) % 2**31)))
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
    return {"logprobs": True, "top_logprobs": 20, "options": {"n_probs": size(chance), "num_predict": 20}}


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
    text = chance.choice(("a ", "\U0001f999", " ", "9", "aaaa")) * few(chance, 400_000)
    return {"messages": [{"role": "user", "content": text}]}


def _many_messages(chance: random.Random) -> Bomb:
    return {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * few(chance, 15_000)
        + _HI
    }


def _many_tools(chance: random.Random) -> Bomb:
    count = few(chance, 2_000)
    parameters = {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(20)}}
    tools = [{"type": "function", "function": {"name": f"f{at}", "parameters": parameters}} for at in range(count)]
    return {"tools": tools}


def _many_values(chance: random.Random) -> Bomb:
    value: Any = chance.choice((0, [], {}, "", {"a": []}))
    return {chance.choice(("tools", "odd", "format", "stop")): [value] * few(chance, 600_000)}


def _many_images(chance: random.Random) -> Bomb:
    return {"messages": [{"role": "user", "content": "x", "images": ["AAAA" * 10_000] * few(chance, 200)}]}


_GROUPS: dict[str, tuple[Callable[[random.Random], Any], ...]] = {
    "schema": SCHEMAS,
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
