"""Tokens: delimiters, trim markers, comments, and what the lexer refuses."""

import pytest

from puna.gotemplate.lexer import Kind, tokenize


def texts(source: str) -> list[str]:
    return [token.text for token in tokenize(source) if token.kind not in (Kind.SPACE, Kind.EOF)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", ["plain"]),
        ("a {{.B}} c", ["a ", "{{", ".B", "}}", " c"]),
        ("a \n{{- .B -}}\t c", ["a", "{{", ".B", "}}", "c"]),
        ("a{{/* note */}}b", ["a", "b"]),
        ("a {{- /* note */ -}} b", ["a", "b"]),
        ("{{-1}}", ["{{", "-1", "}}"]),
        ("{{1 -}} x", ["{{", "1", "}}", "x"]),
        ('{{print "}}" `}}`}}', ["{{", "print", '"}}"', "`}}`", "}}"]),
        ("{{$x := (.A.B | len)}}", ["{{", "$x", ":=", "(", ".A", ".B", "|", "len", ")", "}}"]),
        ("{{'a' '\\''}}", ["{{", "'a'", "'\\''", "}}"]),
    ],
)
def test_tokens(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{.A", "unclosed action"),
        ("{{/* x", "unclosed comment"),
        ("{{/* x */ y}}", "comment ends before closing delimiter"),
        ('{{"abc}}', "unterminated quoted string"),
        ("{{`abc}}", "unterminated raw quoted string"),
        ("{{'a}}", "unterminated character constant"),
        ("{{(.A}}", "unclosed left paren"),
        ("{{.A)}}", "unexpected right paren"),
        ("{{.A$}}", "bad character U+0024 '$'"),
        ("{{1a}}", 'bad number syntax: "1a"'),
        ("{{1+2i}}", "complex constants are not supported: 1+2i"),
        ("{{€}}", "unrecognized character in action: U+20AC '€'"),
        ("{{$x :}}", "expected :="),
    ],
)
def test_errors_end_the_scan(source: str, reason: str) -> None:
    last = tokenize(source)[-1]
    assert (last.kind, last.text) == (Kind.ERROR, reason)


def test_positions_point_into_the_text() -> None:
    source = "ab\n{{ .C | len }}"
    for token in tokenize(source):
        assert source.startswith(token.text if token.kind is not Kind.EOF else "", token.position)
