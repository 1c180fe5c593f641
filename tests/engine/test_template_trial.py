"""What is wrong with a template, out of what the engine says."""

import pytest

from puna.engine import template_trial


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("init: error: Expected closing parenthesis; srv: exiting", "Expected closing parenthesis"),
        ("an error: std::exception; init: error: Unknown function; srv: exiting", "Unknown function"),
        ("terminate called: error: std::exception", template_trial._UNTOLD),
        ("srv: exiting", template_trial._UNTOLD),
    ],
    ids=["told", "behind the library's", "the library's alone", "lost"],
)
def test_the_reason_is_what_a_user_can_read(said: str, reason: str) -> None:
    """A log that lost its end is read again, where the C++ library alone was found in it as well."""
    assert template_trial._reason(said) == reason
