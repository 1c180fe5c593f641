"""Whatever the text, a template is refused with a TemplateError or rendered, and soon."""

import re
import time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puna.gotemplate import Limits, Template, TemplateError

DATA: dict[str, Any] = {
    "S": "hé\n<b>",
    "L": [1.0, "x", None, [2.0], {"k": "v"}],
    "M": {"a": 1.0, "b": {"c": "d"}},
    "N": None,
    "T": True,
}
LIMITS = Limits(steps=5_000, output=100_000)
PIECES = st.sampled_from(
    re.findall(
        r"\S+",
        r"""{{ }} {{- -}} .S .L .M .M.b.c .N .T . $ $x $y := = , | ( ) if else end range with define block
        template break continue nil true 0 1 -2 3.5 0x1p4 'a' "s" "%d%v" `r` and or not len index slice print
        printf println html js urlquery call eq ne lt le gt ge /* */ : @ é \ " ` ' {{end}} {{else}} {{.S}}""",
    )
)
OPERAND = st.sampled_from([".S", ".L", ".M", ".N", "$", ".", ".M.a", "1", "2.5", '"x"', "'c'", "nil", "true", "$x"])


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keyword = st.sampled_from(["if", "with", "range", "range $x :=", "range $i, $x :="])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.builds(
            lambda k, p, a, b: f"{{{{{k} {p}}}}}{a}{{{{else}}}}{b}{{{{end}}}}",
            keyword,
            PIPELINE,
            inner,
            inner,
        ),
        st.builds(lambda p: f"{{{{$x := {p}}}}}{{{{$x}}}}", PIPELINE),
    )


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    functions = "len index slice print printf println html js urlquery eq ne lt ge and or not"
    names = st.sampled_from(re.findall(r"\w+", functions))
    return st.builds(lambda n, args: f"({n} {' '.join(args)})", names, st.lists(inner, max_size=3))


PIPELINE = st.recursive(OPERAND, calls, max_leaves=5)
SENSIBLE = st.recursive(
    st.one_of(PIPELINE.map(lambda p: f"{{{{{p}}}}}"), st.sampled_from([" text\n", "{{- .S -}}", "{{break}}"])),
    nested,
    max_leaves=8,
)


def check(source: str) -> None:
    started = time.process_time()
    try:
        output = Template.parse(source, limits=LIMITS).render(DATA)
    except TemplateError as error:
        assert str(error).startswith(("template: ", "template ", "exceeded "))
    else:
        output.encode()
    assert time.process_time() - started < 20  # a hang, not a slow machine


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.lists(PIECES, max_size=30).map(" ".join), st.lists(PIECES, max_size=30).map("".join)))
def test_any_pieces(source: str) -> None:
    check(source)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.builds(lambda body: "{{$x := 1}}" + body, SENSIBLE))
def test_templates_that_parse(source: str) -> None:
    check(source)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text(source: str) -> None:
    check(source)
    check("{{" + source + "}}")
