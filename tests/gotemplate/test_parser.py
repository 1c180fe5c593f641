"""Faulty templates are refused in Go's words, with the line."""

import pytest

from puna.errors import BadRequestError
from puna.gotemplate import Template, TemplateSyntaxError
from puna.gotemplate.parser import MAX_NESTING


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n\n{{ .X", "template: :3: unclosed action"),
        ("{{ .X\n\n", "template: :3: unclosed action started at :1"),
        ("a\nb\n{{foo}}", 'template: :3: function "foo" not defined'),
        ("{{$x}}", 'template: :1: undefined variable "$x"'),
        ("{{if .A}}", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{if .A}}{{else}}{{else}}{{end}}", "template: :1: expected end; found {{else}}"),
        ("{{range .A}}{{else if .B}}{{end}}", "template: :1: unexpected <if> in input"),
        ("{{if}}x{{end}}", "template: :1: missing value for if"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{.A | 1}}", "template: :1: non executable command in pipeline stage 2"),
        ("{{$x, $y := .A}}", "template: :1: too many declarations in command"),
        ("{{range $x, 1 := .A}}{{end}}", "template: :1: range can only initialize variables"),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{range .A}}{{continue 1}}{{end}}", 'template: :1: unexpected "1" in {{continue}}'),
        ("{{template .A}}", 'template: :1: unexpected ".A" in template clause'),
        ('{{define "a"}}1{{end}}{{define "a"}}2{{end}}', "multiple definition of template"),
        ('{{if .A}}{{define "x"}}{{end}}{{end}}', "template: :1: unexpected <define> in command"),
        ('{{"bad \\q"}}', "template: :1: invalid syntax"),
        ("{{'ab'}}", "template: :1: malformed character constant: 'ab'"),
        ("{{089}}", 'template: :1: integer overflow: "089"'),
        ("{{1__0}}", 'template: :1: illegal number syntax: "1__0"'),
        ("{{3i}}", "complex constants are not supported"),
        ("{{nil.x}}", 'template: :1: unexpected . after term "nil"'),
        ("{{.S || .S}}", 'template: :1: unexpected "|" in command'),
        ("{{.Abcdefghijkl = 1}}", 'template: :1: unexpected "=" in operand'),
    ],
)
def test_faults(source: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        Template.parse(source)
    assert message in str(caught.value)


def test_a_fault_is_the_fault_of_the_request() -> None:
    with pytest.raises(BadRequestError, match="template: named:2: unexpected EOF") as caught:
        Template.parse("\n{{if .A}}", name="named")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "source",
    [
        "{{if .A}}" * (MAX_NESTING + 1) + "{{end}}" * (MAX_NESTING + 1),
        "{{" + "(" * 500 + "1" + ")" * 500 + "}}",
        "{{if .A}}" + "{{else if .B}}" * 500 + "{{end}}",
        "{{range .A}}" * 5000,
    ],
)
def test_nesting_is_bounded(source: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="depth exceeded"):
        Template.parse(source)


def test_size_is_bounded() -> None:
    with pytest.raises(TemplateSyntaxError, match="template is larger than"):
        Template.parse("x" * (1 << 17) + "x")
    Template.parse("{{.A}}" * 3_333)
    with pytest.raises(TemplateSyntaxError, match="template has more than 10000 parts"):
        Template.parse("{{.A}}" * 3_334)


@pytest.mark.parametrize(
    "source",
    [
        "{{if .A}}x{{else}}y{{end}}",
        "{{range $i, $e := .A}}{{$i}}{{else}}z{{end}}",
        "{{with $x := .A.B}}{{$x.C}}{{end}}",
        '{{template "t" .}}',
        "{{(len .A).B}}",
        "{{$x := print 1 2.5 `raw` 'c' | len}}",
        "{{range .A}}{{break}}{{continue}}{{end}}",
    ],
)
def test_a_tree_prints_as_its_source(source: str) -> None:
    assert str(Template.parse(source).trees[""].root) == source
