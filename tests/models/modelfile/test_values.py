"""Quoting, and what a parameter's text means."""

import contextlib
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patient import PATIENT

from puna.models.modelfile.parse import ModelfileError, parse_modelfile
from puna.models.modelfile.values import CannotQuoteError, parameter_texts, parameter_value, quote

AWKWARD = st.text(st.sampled_from('"" \t\r\n#ab{}é👩\u200d'), max_size=30) | st.text(max_size=30)
PIECES = st.sampled_from(
    ["FROM", "from x", " ", "\t", "\n", "\r\n", '"', '"""', "#", "PARAMETER ", "stop ", "MESSAGE user", "9" * 50, "é"]
)


@PATIENT
@given(AWKWARD)
def test_what_can_be_quoted_is_read_back(text: str) -> None:
    try:
        quoted = quote(text)
    except CannotQuoteError:
        assert any(line.rstrip(" \t").endswith('"""') for line in text.replace("\r", "\n").split("\n")[:-1])
    else:
        file = parse_modelfile(f"FROM x\nSYSTEM {quoted}\nLICENSE end\n")
        assert (file.values("SYSTEM"), file.values("LICENSE")) == ((text,), ("end",))


def test_text_that_no_quotation_holds_is_an_error() -> None:
    with pytest.raises(CannotQuoteError):
        quote('a"""\nb')


NUMBERS = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@PATIENT
@given(NUMBERS)
def test_numbers_and_booleans_are_read_back(value: float | bool) -> None:
    ((name, text),) = parameter_texts({"temperature": value})
    assert parameter_value(name, text) == value


@PATIENT
@given(st.dictionaries(st.text(max_size=5), st.integers(-100, 100)))
def test_objects_are_read_back(value: dict[str, int]) -> None:
    ((name, text),) = parameter_texts({"logit_bias": value})
    assert parameter_value(name, text) == value


@PATIENT
@given(st.lists(PIECES | st.text(string.printable, max_size=8), max_size=40).map("".join) | st.binary(max_size=200))
def test_whatever_is_read_is_a_modelfile_or_an_error_that_explains(source: str | bytes) -> None:
    try:
        file = parse_modelfile(source)
        assert file.values("FROM")
        assert isinstance(file.parameters, dict)
    except ModelfileError as error:
        assert str(error).startswith("Modelfile")


@pytest.mark.parametrize(
    "piece", ['"""', '"\n', " ", "\n", "#", "#\n", '""" x\n', "\r", 'SYSTEM "a"\n', "PARAMETER a b\n"]
)
def test_reading_takes_time_in_proportion_to_the_size(piece: str) -> None:
    text = f"FROM x\nSYSTEM {piece * (500_000 // len(piece))}"
    started = time.process_time()
    with contextlib.suppress(ModelfileError):
        parse_modelfile(text)
    assert time.process_time() - started < 30  # in proportion to its square it would be minutes
