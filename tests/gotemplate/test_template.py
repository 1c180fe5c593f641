"""The language rule by rule; every expected text was checked against Go 1.27."""

from typing import Any

import pytest

from puna.gotemplate import (
    Limits,
    Template,
    TemplateExecutionError,
    TemplateLimitError,
)
from puna.gotemplate.values import Function, Struct

DATA: dict[str, Any] = {
    "s": "hello",
    "e": "",
    "u": "日本語é",
    "n": 12345678.0,
    "z": 0.0,
    "t": True,
    "nil": None,
    "l": [1.0, "two", None, [3.0], {"k": "v"}],
    "ss": ["b", "a", "c"],
    "el": [],
    "m": {"b": 1.0, "a": "x", "c": {"d": [1.0, 2.0]}},
    "f": Function(lambda a, b: f"{a}+{b}", 2),
}


def render(source: str, data: Any = DATA) -> str:
    return Template.parse(source).render(data)


CASES = {
    "text": ("plain", "plain"),
    "field": ("{{.s}}", "hello"),
    "trim": ("a \n{{- .s -}}\n b", "ahellob"),
    "comment": ("a{{/* no */}}b", "ab"),
    "missing key": ("{{.q}}", "<no value>"),
    "nil": ("{{.nil}}", "<no value>"),
    "fields of what is missing, in parentheses": ("{{(.q).r.s}}", "<no value>"),
    "default printing": ("{{.m}} {{.l}}", "map[a:x b:1 c:map[d:[1 2]]] [1 two <nil> [3] map[k:v]]"),
    "large floats": ("{{.n}} {{1e20}} {{100000.0}}", "1.2345678e+07 1e+20 100000"),
    "if": ("{{if .e}}a{{else if .z}}b{{else if .t}}c{{else}}d{{end}}", "c"),
    "with": ("{{with .s}}{{.}}{{end}}{{with .e}}x{{else with .s}}2{{.}}{{else}}no{{end}}", "hello2hello"),
    "with and a variable": ("{{with $v := .s}}{{$v}}{{.}}{{end}}", "hellohello"),
    "range": ("{{range .ss}}{{.}},{{end}}", "b,a,c,"),
    "range over nothing": ("{{range .el}}x{{else}}empty{{end}}{{range .q}}x{{else}}!{{end}}", "empty!"),
    "range with index": ("{{range $i, $e := .ss}}{{$i}}={{$e}} {{end}}", "0=b 1=a 2=c "),
    "range over a map by key": ("{{range $k, $v := .m}}{{$k}}{{end}}", "abc"),
    "range over a number": ("{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}", "01201"),
    "range over zero": ("{{range 0}}x{{else}}none{{end}}{{range -2}}x{{else}}none{{end}}", "nonenone"),
    "break": ("{{range .ss}}{{if eq . `a`}}{{break}}{{end}}{{.}}{{end}}!", "b!"),
    "continue": ("{{range .ss}}{{if eq . `a`}}{{continue}}{{end}}{{.}}{{end}}!", "bc!"),
    "break of the inner loop": (
        "{{range .ss}}{{range $.ss}}{{if eq . `a`}}{{break}}{{end}}{{.}}{{end}}-{{end}}",
        "b-b-b-",
    ),
    "variables in else of range": ("{{range $i, $e := .el}}{{else}}{{$e}}{{$i}}{{end}}", "[][]"),
    "assignment": ("{{$x := 1}}{{if .t}}{{$x = 2}}{{end}}{{$x}}", "2"),
    "scope": ("{{$x := 1}}{{if .t}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
    "else does not see the body's variables": (
        "{{$x := 1}}{{range .el}}{{$x := 2}}{{else}}{{$x}}{{end}}{{if .e}}{{$x := 2}}{{else}}{{$x}}{{end}}",
        "11",
    ),
    "shadowing sees the outer variable": ("{{$x := 1}}{{$x := print $x 5}}{{$x}}", "1 5"),
    "assignment in a loop": ("{{$x := 1}}{{range .ss}}{{$x = .}}{{end}}{{$x}}", "c"),
    "range assigns": ("{{$i := 9}}{{$e := 9}}{{range $i, $e = .ss}}{{end}}{{$i}}{{$e}}", "2c"),
    "dollar": ("{{with .m}}{{$.s}}{{.a}}{{end}}", "hellox"),
    "define": ('{{define "x"}}[{{.}}{{$}}]{{end}}{{template "x" .s}}', "[hellohello]"),
    "template without data": (
        '{{define "x"}}[{{.}}{{.a.b}}]{{end}}{{template "x"}}',
        "[<no value><no value>]",
    ),
    "block": ('{{block "b" .s}}<{{.}}>{{end}}', "<hello>"),
    "literals": (r'{{"q\"\t\x41\u00e9\101"}}{{`raw \n`}}', 'q"\tAéAraw \\n'),
    "characters": (r"{{'a'}} {{'\n'}} {{'é'}} {{'\''}}", "97 10 233 39"),
    "integers": ("{{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}} {{-1}} {{+1}}", "31 5 15 15 1000 -1 1"),
    "floats": ("{{1e3}} {{.5}} {{0x1p4}} {{1.}} {{-0.0}}", "1000 0.5 16 1 -0"),
    "pipeline": ('{{.s | printf "%s-%s" "a"}} {{.s | len | printf "%03d"}}', "a-hello 005"),
    "chain on a call": ("{{(index .l 4).k}}", "v"),
    "and": ("{{and .s .e}}|{{and .s .t}}|{{and 1 0 (index .l 99)}}", "|true|0"),
    "or": ("{{or .e .z}}|{{or .e `q` .bad.worse}}", "0|q"),
    "piped and, or": ("{{1 | and 0}} {{1 | and 2}} {{0 | or 3}} {{5 | or 0}}", "0 1 3 5"),
    "not": ("{{not true}}{{not 0}}{{not .el}}{{not .nil}}", "falsetruetruetrue"),
    "len": ("{{len .s}} {{len .u}} {{len .l}} {{len .m}}", "5 11 5 3"),
    "index": (
        "{{index .l 3 0}} {{index .m `c` `d` 1}} {{index .s 1}} {{index .m `zz`}}",
        "3 2 101 <no value>",
    ),
    "slice": ("{{slice .s 1}} {{slice .s 1 3}} {{slice .u 0 3}} {{slice .l 1 2}}", "ello el 日 [two]"),
    "print": ("{{print 1 2 `a` 3 4 nil nil}}", "1 2a3 4 <nil> <nil>"),
    "println": ("{{println 1 `a` 2}}", "1 a 2\n"),
    "html": ("{{html `<a href='x'>&\"` 1}}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;1"),
    "js": ('{{js `it\'s <b> "x" & =`}}', 'it\\\'s \\u003Cb\\u003E \\"x\\" \\u0026 \\u003D'),
    "urlquery": ("{{urlquery `a b&c=d/é~-_.!*`}}", "a+b%26c%3Dd%2F%C3%A9~-_.%21%2A"),
    "call": ("{{call .f 1 `b`}}", "1+b"),
    "eq": ("{{eq 1 1}}{{eq 1 2 3 1}}{{eq .s `hello`}}{{ne 1 2}}{{eq .nil nil}}", "truetruetruetruetrue"),
    "eq of missing": ("{{eq .q ``}}{{eq .nil 1}}{{ne .q ``}}", "falsefalsetrue"),
    "order": (
        "{{lt 1 2}}{{le 2 2}}{{gt 3 2}}{{ge 2 3}}{{lt `a` `b`}}{{lt 1.5 2.5}}",
        "truetruetruefalsetruetrue",
    ),
    "byte against int": ("{{eq (index .s 0) 104}}{{lt (index .s 0) 105}}", "truetrue"),
}


@pytest.mark.parametrize(("source", "expected"), CASES.values(), ids=CASES)
def test_rule(source: str, expected: str) -> None:
    assert render(source) == expected


ERRORS = {
    "{{.q.r}}": '1:4: executing "" at <.q.r>: nil pointer evaluating interface {}.r',
    "\n {{.s.x}}": '2:5: executing "" at <.s.x>: can\'t evaluate field x in type interface {}',
    "日本{{.nil.x}}": "1:12: executing",
    "{{eq 1 1.0}}": "at <eq 1 1.0>: error calling eq: incompatible types for comparison: int and float64",
    "{{eq .n 3}}": "incompatible types for comparison: float64 and int",
    "{{eq .l .l}}": "error calling eq: non-comparable type [%!s(float64=1) two <nil>",
    "{{eq 1}}": "error calling eq: missing argument for comparison",
    "{{lt true false}}": "error calling lt: invalid type for comparison",
    '{{lt "a" 1}}': "incompatible types for comparison: string and int",
    "{{len 3}}": "at <len 3>: error calling len: len of type int",
    "{{len}}": "at <len>: wrong number of args for len: want 1 got 0",
    "{{and}}": "wrong number of args for and: want at least 1 got 0",
    "{{index .l 9}}": "error calling index: index out of range: 9",
    "{{index .l 5}}": "error calling index: reflect: slice index out of range",
    '{{index .l "x"}}': "cannot index slice/array with type string",
    "{{index .m 1}}": "value has type int; should be string",
    "{{index .n 1}}": "can't index item of type float64",
    "{{index .nil 1}}": "index of untyped nil",
    "{{slice .s 2 99}}": "index out of range: 99",
    "{{slice .l 2 1}}": "invalid slice index: 2 > 1",
    "{{slice .s 1 2 3}}": "cannot 3-index slice a string",
    "{{slice .m 1}}": "can't slice item of type map[string]interface {}",
    "{{printf 1}}": "at <1>: expected string; found 1",
    "{{printf .n}}": "wrong type for value; expected string; got float64",
    "{{call .s}}": "non-function .s of type string",
    "{{call .f 1}}": "wrong number of args for .f: got 1 want 2",
    "{{.f}}": "can't print {{.f}} of type func()",
    "{{nil}}": "at <nil>: nil is not a command",
    "{{1 2}}": "can't give argument to non-function 1",
    "{{.s 1}}": "s is not a method but has arguments",
    "{{range .s}}{{end}}": "at <.s>: range can't iterate over hello",
    "{{range $i, $j := 3}}{{end}}": "can't use 3 to iterate over more than one variable",
    '{{template "nope" .}}': 'at <{{template "nope" .}}>: template "nope" not defined',
    "{{$x = 1}}": "undefined variable: $x",
    "{{9223372036854775808}}": "9223372036854775808 overflows int",
}


@pytest.mark.parametrize(("source", "message"), ERRORS.items(), ids=ERRORS)
def test_error(source: str, message: str) -> None:
    with pytest.raises(TemplateExecutionError) as caught:
        render(source)
    assert str(caught.value).startswith("template: :")
    assert message in str(caught.value)


def test_only_what_runs_can_fail() -> None:
    assert render("{{if false}}{{len}}{{index .l 99}}{{end}}ok") == "ok"


class Point(Struct):
    type_name = "main.Point"


def test_structs_know_their_fields() -> None:
    data = {"p": Point(X=1, Y="b")}
    assert render('{{.p}} {{.p.X}} {{printf "%+v %T" .p .p}}', data) == "{1 b} 1 {X:1 Y:b} main.Point"
    with pytest.raises(TemplateExecutionError, match="can't evaluate field Z in type"):
        render("{{.p.Z}}", data)


def test_a_cut_character_becomes_the_replacement_character() -> None:
    assert render("{{slice .u 0 2}}|{{slice .u 0 1}}{{slice .u 1 3}}") == "\ufffd|日"


HOSTILE = {
    '{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}': "exceeded maximum template depth",
    '{{define "a"}}{{if true}}{{range 1}}{{template "a" .}}{{end}}{{end}}{{end}}{{template "a" .}}': (
        "exceeded maximum template depth"
    ),
    "{{range 1000000000}}{{end}}": "more than 200000 steps",
    "{{range 100000}}{{range 100000}}x{{end}}{{end}}": "more than 200000 steps",
    "{{$x := printf `%90000d` 1}}{{range 20}}{{$x}}{{end}}": "output is larger than",
    "{{$x := `ab`}}{{range 60}}{{$x = print $x $x}}{{end}}": "builds a text larger than",
    "{{range 100000}}{{$x := printf `%100000d` 1}}{{end}}": "more than 200000 steps",
    "{{$x := printf `%90000d` 1}}{{$y := print $x ``}}{{range 9999}}{{if eq $x $y}}{{end}}{{end}}": "steps",
    "{{$x := printf `%90000d` 1}}{{range 9999}}{{if lt $x $x}}{{end}}{{end}}": "more than 200000 steps",
}


@pytest.mark.parametrize(("source", "reason"), HOSTILE.items(), ids=HOSTILE)
def test_a_hostile_template_is_stopped(source: str, reason: str) -> None:
    limits = Limits(steps=200_000, output=1 << 20)
    with pytest.raises(TemplateLimitError, match=reason):
        Template.parse(source, limits=limits).render({})


def test_a_template_can_be_rendered_again_after_an_error() -> None:
    template = Template.parse('{{define "a"}}{{.x}}{{end}}{{template "a" .}}{{index .l 0}}')
    with pytest.raises(TemplateExecutionError):
        template.render({"x": 1, "l": []})
    assert template.render({"x": 1, "l": [2]}) == "12"
