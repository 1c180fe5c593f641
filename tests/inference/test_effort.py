"""How hard to think, in the dialects' words."""

import pytest

from puna.errors import BadRequestError
from puna.inference.effort import think_of
from puna.inference.requests import Think


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        (None, None),
        ("none", False),
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "max"),
        ("max", "max"),
    ],
)
def test_an_effort_is_a_way_to_think(effort: str | None, think: Think) -> None:
    assert think_of(effort, "effort", can_think=True) == think
    assert think_of(effort, "effort", can_think=False) is None


@pytest.mark.parametrize("can_think", [True, False])
def test_what_is_no_effort_is_named(can_think: bool) -> None:
    with pytest.raises(BadRequestError, match=r'^reasoning\.effort must be one of none, .*, not "hard"$'):
        think_of("hard", "reasoning.effort", can_think=can_think)
