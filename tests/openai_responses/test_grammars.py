"""Grammars of custom tools as patterns, against Python's own reading of them."""

import re
import time

import pytest

from puna.api.openai.grammars import text_pattern
from puna.errors import BadRequestError

PATCH = r"""
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?
filename: /(.+)/
add_line: "+" /(.*)/ LF -> line
change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF

%import common.LF
"""
"""The shape of the grammar of Codex's tool for changing files."""


def accepts(grammar: str, text: str) -> bool:
    pattern = text_pattern("lark", grammar, "format")
    plain = re.sub(r"\\u\{([0-9a-f]+)\}", lambda match: re.escape(chr(int(match[1], 16))), pattern)
    return re.fullmatch(plain.removeprefix("^").removesuffix("$"), text) is not None


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("*** Begin Patch\n*** Add File: a.txt\n+one\n+\n*** End Patch", True),
        (
            "*** Begin Patch\n*** Delete File: a\n*** Update File: b\n*** Move to: c\n@@ f\n-x\n+y\n*** End Patch\n",
            True,
        ),
        ("*** Begin Patch\n*** End Patch\n", False),
        ("*** Begin Patch\n*** Add File: a.txt\none\n*** End Patch\n", False),
        ("*** Add File: a.txt\n+one\n", False),
    ],
)
def test_patches(text: str, right: bool) -> None:
    assert accepts(PATCH, text) is right


@pytest.mark.parametrize(
    ("grammar", "right", "wrong"),
    [
        ('start: NUMBER\n     | start "+" NUMBER\n%import common.NUMBER', ["1", "1.5+2+3"], ["", "+1", "1+"]),
        ('start: "a" | "b" start', ["a", "bba"], ["b", "ab"]),
        ('  start: x\n      "c"\n    | y\n  x: "a:b"\n  ?y.-1 : "d"\n', ["a:bc", "d"], ["a:b", "c", ""]),
        ('start: ("x".."z")~2..3 ["!"]  // comment', ["xy", "xyz!"], ["x", "xyzx", "ay"]),
        ('start: "é"i WORD?\nWORD: /[a-z]+/', ["É", "éab"], ["e", "éA"]),
        (
            'start: "(" NUMBER ("," NUMBER)* ")"\n%import common (NUMBER, WS)\n%ignore WS',
            ["(1,2)", " ( 1 , 2 ) "],
            ["(1 2)", "( )"],
        ),
        ('?start.2: _item+\n_item: /[^\\/\\n]+/ "\\n" -> line\n# the end', ["a b\n", "a\nc\n"], ["a", "a/b\n"]),
        ("start: /a.b/s", ["a\nb"], ["ab"]),
        ('start: "(" start ")" | "x"', ["x", "((((((((x))))))))"], ["((x)", "()"]),
        ('start: a\na: "(" b? ")"\nb: a+ | "x"', ["()", "(()(x))"], ["x", "(x()"]),
        ('start: start "+" start | "-" start | start "!" | "1"', ["1", "-1+1!+-1"], ["+1", "1-", ""]),
        (
            """
            start: sum
            sum: product (("+" | "-") product)*
            product: factor ("*" factor)*
            factor: NUMBER | "(" sum ")"
            %import common.NUMBER
            %ignore " "
            """,
            ["1", "2 * (3 + 4.5)", "(1-2)*3"],
            ["1 +", "(1", "2(3)"],
        ),
    ],
)
def test_what_grammars_allow(grammar: str, right: list[str], wrong: list[str]) -> None:
    assert [text for text in right if not accepts(grammar, text)] == []
    assert [text for text in wrong if accepts(grammar, text)] == []


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        ('start: "(" start ")"', "contains itself without an end"),
        ('start: a\na: "(" b ")"\nb: a a', "contains itself without an end"),
        ('start: "x" start', "contains itself without an end"),
        ("start: " + " | ".join(f'"({n}" start "." start ")"' for n in range(200)) + ' | "x"', "too large"),
        ("start: other", "there is no rule called other"),
        ('rule: "a"', "there is no rule called start"),
        ('start: ("a"', "a bracket is not closed"),
        ("start: /a/x", "the flags of"),
        ("%declare X\nstart: X", "%declare is not supported"),
        ("%import common.NONE\nstart: NONE", "common.NONE is not known"),
        ("start: /(a)\\1/", "cannot be enforced"),
        ("start: /[/", "it ends too early"),
        ('start: "a"~1..', "cannot be enforced"),
        ("", "there is no rule called start"),
        ("start: " + '"a" ' * 5000, "too large"),
        ("start: " + "(" * 8000, "too large"),
    ],
)
def test_what_cannot_be_enforced_is_refused(grammar: str, words: str) -> None:
    with pytest.raises(BadRequestError, match=re.escape(words)):
        text_pattern("lark", grammar, "format")


_MANY = "abcdefgh"


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        ("".join(f"{name}: " + " | ".join(f"b {other} c" for other in _MANY * 24) + ' | "x"\n' for name in _MANY), ""),
        ('a: "' + '\\"' * 7900, "cannot be enforced"),
    ],
    ids=["names", "a text without an end"],
)
def test_what_would_take_long_is_refused_at_once(grammar: str, words: str) -> None:
    begun = time.process_time()
    with pytest.raises(BadRequestError, match=words or "too large"):
        text_pattern("lark", f"start: a\n{grammar}", "format")
    assert time.process_time() - begun < 1


def test_regular_expressions() -> None:
    assert text_pattern("regex", "[a-z]+", "format") == "^(?:[a-z]+)$"
    assert text_pattern("regex", r"^(?P<month>May|June)\s+(?P<day>\d{1,2})$", "format")
    with pytest.raises(BadRequestError, match=re.escape("cannot be enforced: [:alpha:]")):
        text_pattern("regex", "[[:alpha:]_]+", "format")
    with pytest.raises(BadRequestError, match="cannot be enforced"):
        text_pattern("regex", "(?<=a)b", "format")
