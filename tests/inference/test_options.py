"""Options: merged in order, checked one by one."""

from typing import Any

import pytest

from puna.inference.option_checks import InvalidOptionError
from puna.inference.options import OPTION_NAMES, Options
from puna.scheduler.options import RunnerOptions


def test_defaults_are_ollamas() -> None:
    options = Options.merge()
    assert options == Options()
    assert (options.sampling["temperature"], options.sampling["top_k"], options.sampling["top_p"]) == (0.8, 40, 0.9)
    assert (options.num_predict, options.stop, options.runner) == (-1, (), RunnerOptions())


def test_later_sources_win_and_null_is_nothing() -> None:
    options = Options.merge({"seed": 1, "top_k": 5}, {"seed": 2, "top_k": None}, {"seed": None})
    assert (options.sampling["seed"], options.sampling["top_k"]) == (2, 5)


def test_defaults_are_not_shared() -> None:
    Options.merge({"temperature": 0})
    assert Options.merge().sampling["temperature"] == 0.8


def test_each_kind_goes_to_its_place() -> None:
    options = Options.merge(
        {"num_ctx": 512, "use_mmap": False, "num_predict": 3, "stop": "a", "min_p": 0.5, "think": "low"}
    )
    assert options.runner == RunnerOptions(num_ctx=512, use_mmap=False)
    assert (options.num_predict, options.stop, options.think) == (3, ("a",), "low")
    assert options.sampling["min_p"] == 0.5


def test_unknown_and_obsolete_names() -> None:
    options = Options.merge({"zeta": 1, "alpha": 2, "tfs_z": 1.0, "penalize_newline": True})
    assert options.unknown == ("alpha", "zeta")


def test_whole_floats_are_integers() -> None:
    value = Options.merge({"top_k": 7.0}).sampling["top_k"]
    assert (value, type(value)) == (7, int)


def test_every_option_with_a_number_has_bounds() -> None:
    for name in OPTION_NAMES:
        for value in (10**400, -(10**400), 2.0**1000, -(2.0**1000)):
            with pytest.raises(InvalidOptionError, match=f'^option "{name}" must be '):
                Options.merge({name: value})


@pytest.mark.parametrize(
    ("asked", "sent"), [(-1, -1), (2**32, 0), (2**63 - 1, 2**32 - 1), (-(2**63), 0), (-2, 2**32 - 2), (7.0, 7)]
)
def test_a_seed_of_64_bits_is_taken_by_its_lower_half(asked: float, sent: int) -> None:
    assert Options.merge({"seed": asked}).sampling["seed"] == sent


@pytest.mark.parametrize("limit", [2**31, 2**53 - 1, 2**63 - 1, 1e15])
def test_a_limit_is_as_large_as_one_likes(limit: float) -> None:
    assert Options.merge({"num_predict": limit}).num_predict == 2**31 - 1


def test_a_penalty_of_nothing_is_none() -> None:
    assert Options.merge({"repeat_penalty": 0}).sampling["repeat_penalty"] == 1


def test_logit_bias_in_both_forms() -> None:
    pairs = [[5, -1.5], ["hello", False], [7, 2]]
    assert Options.merge({"logit_bias": {"5": -1.5, "hello": False, "7": 2}}).sampling["logit_bias"] == pairs
    assert Options.merge({"logit_bias": pairs}).sampling["logit_bias"] == pairs


@pytest.mark.parametrize("name", OPTION_NAMES)
@pytest.mark.parametrize(
    "value", [pytest.param(object(), id="object"), {"a": {"b": 1}}, [[[]]], float("nan"), b"bytes"], ids=repr
)
def test_nonsense_is_named_for_every_option(name: str, value: Any) -> None:
    with pytest.raises(InvalidOptionError, match=f'^option "{name}" must be '):
        Options.merge({name: value})


@pytest.mark.parametrize(
    ("name", "value", "requirement"),
    [
        ("temperature", -1, "at least 0"),
        ("temperature", True, "of type float32"),
        ("temperature", float("inf"), "of type float32"),
        ("top_p", 1.01, "between 0 and 1"),
        ("mirostat", 3, "between 0 and 2"),
        ("top_k", 1.5, "of type integer"),
        ("top_k", "40", "of type integer"),
        ("top_k", True, "of type integer"),
        ("seed", 2**63, "between -9223372036854775808 and"),
        ("num_gpu", 2**31, "between -1 and"),
        ("main_gpu", 2**32, "between 0 and"),
        ("num_batch", -1, "between 0 and"),
        ("dry_penalty_last_n", 2**31, "at most"),
        ("repeat_penalty", 1e-30, "at least 0.01, or 0"),
        ("temperature", 1e39, "at most"),
        ("dry_base", 10**400, "at most"),
        ("logit_bias", {"9" * 30: 1}, "token ids between"),
        ("logit_bias", {"9" * 5000: 1}, "at most 1000 characters"),
        ("logit_bias", [[2**40, 1]], "token ids between"),
        ("logit_bias", {"1": 10**400}, "numbers between"),
        ("logit_bias", [[1, 1]] * 10_001, "at most 10000 tokens"),
        ("dry_sequence_breakers", [str(number) for number in range(20_000)], "1 to 32 strings"),
        ("dry_sequence_breakers", [], "1 to 32 strings"),
        ("stop", ["a"] * 257, "at most 256"),
        ("stop", ["a" * 1001], "1000 characters"),
        ("samplers", ["top_k", "top_k"], "twice"),
        ("use_mmap", 1, "of type boolean"),
        ("grammar", 5, "of type string"),
        ("stop", [1], "of an array of strings"),
        ("samplers", ["magic"], "'magic'"),
    ],
)
def test_requirement_is_told(name: str, value: Any, requirement: str) -> None:
    with pytest.raises(InvalidOptionError, match=requirement):
        Options.merge({name: value})
