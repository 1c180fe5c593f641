"""Grammars that callers write: read, and bounded, before the engine follows them."""

import pytest

from puna.inference.format.gbnf import GrammarError
from puna.inference.format.gbnf_cost import check_grammar

JSON = r"""
root   ::= object # a comment
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"""
DOUBLING = "root ::= a0\n" + "".join(f"a{n} ::= a{n + 1} | a{n + 1} a{n + 1}\n" for n in range(40)) + 'a40 ::= "a"'


@pytest.mark.parametrize(
    "grammar",
    [
        JSON,
        'root ::= "yes" | "no"',
        'root ::= [^a] . "é日"{2,}',
        "root ::= [a-z]+ # x",
        '# x\r\n\r\nroot ::=\n "a" |\n ("b"\n [c\\x00] # y\n)*\r\n\nother ::= "d"',
    ],
)
def test_grammar_is_taken(grammar: str) -> None:
    check_grammar(grammar)


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ('root ::= "a"{5,2}', "bounds exchanged"),
        ('root ::= "a"{1001}', "more than 1000"),
        ("root ::= " + '"a"{1000} ' * 30, "too large"),
        ("root ::= x", "the rule x is not there"),
        ('x ::= "a"', "no rule root"),
        ('root ::= root "a"', "begins with itself"),
        ('root ::= ("a"*)*', "begins with itself"),
        ('root ::= "a', "line 1"),
        ('root ::= "a"\nroot ::= "b"', "twice"),
        ("%llguidance {}\nstart: /a/", "line 1"),
        ("root ::= " + "(" * 60 + '"a"' + ")" * 60, "groups"),
        ("root ::= " + "a" * 70_000, "longer than"),
        (
            "root ::= a0\n" + "".join(f"a{n} ::= a{n + 1} | a{n + 1} a{n + 1}\n" for n in range(40)) + 'a40 ::= "a"',
            "ways",
        ),
        ('root ::= "a" root "b" | "a" root "c" | ""', "too many ways at once"),
        ('root ::= "a"\n  "b"', "line 2: expected a rule"),
        ('root ::= a_b\na_b ::= "a"', "an element of a rule at '_b"),
        ('root ::= "a" b ::= "c"', "an element of a rule at '::="),
        ("root ::= []", "a letter that a text can have at '[]'"),
        ("root ::= [z-a]", "a letter that a text can have"),
        (r"root ::= [^\x00-\U0010FFFF]", "a letter that a text can have"),
        (r'root ::= "a\x00"', "a letter that a text can have"),
        (r'root ::= "\uD800"', "a letter that a text can have"),
        ('root ::= "x" s\ns ::= "a" s "b" | "a" s "c" | ""', "too many ways at once"),
    ],
)
def test_grammar_that_cannot_be_followed_within_measure_is_refused(grammar: str, reason: str) -> None:
    with pytest.raises(GrammarError, match=r"^option 'grammar': ") as caught:
        check_grammar(grammar)
    assert reason in str(caught.value)
    assert caught.value.status == 400


def _by_name(depth: int) -> str:
    return "root ::= r0+\n" + "".join(f"r{n} ::= r{n + 1}+\n" for n in range(depth)) + f'r{depth} ::= "a"\n'


def test_repetitions_in_each_other_are_few() -> None:
    """The engine stood still for over a minute over twelve of them; beside each other, or with letters between, they do
    not multiply.
    """
    for taken in ("(" * 4 + '"a"' + ")+" * 4, "(" * 40 + '"a"' + ")" * 40 + "+", '("a"+ "b")+ ' * 40):
        check_grammar(f"root ::= {taken}")
    check_grammar("root ::= " + "(" * 13 + '"a"' + ' "b")+' * 13)
    check_grammar(_by_name(2))
    for refused in (
        "root ::= " + "(" * 6 + '"a"' + ")+" * 6,
        "root ::= " + "(" * 4 + '"a"' + ' "a"?)+' * 4,
        _by_name(6),
        _by_name(43),
        _by_name(900),
        'root ::= "x"{600} ' + "(" * 6 + '"a"' + ")+" * 6,
    ):
        with pytest.raises(GrammarError, match="too many ways at once"):
            check_grammar(refused)
