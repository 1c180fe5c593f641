"""Who wins a race, and when that is known."""

import pytest

from puna.tuning.race import Race


def race(*turns: tuple[float, float]) -> Race:
    made = Race()
    for known, new in turns:
        made.add(known, new)
    return made


def test_the_fastest_turn_of_each_decides() -> None:
    disturbed = race((100, 110), (20, 111), (101, 15))
    assert disturbed.ratio == pytest.approx(111 / 101)
    assert disturbed.ratios == pytest.approx((1.1, 5.55, 15 / 101))


@pytest.mark.parametrize(
    ("turns", "decided"),
    [
        ([], False),
        ([(10, 10)], False),
        ([(10, 8)], True),  # hopeless
        ([(10, 10), (10, 10.1)], True),
        ([(10, 11), (10, 10)], False),  # they disagree
        ([(10, 11), (10, 14)], False),  # they agree, but something else is going on
        ([(10, 11), (10, 10), (10, 11)], False),
        ([(10, 11), (10, 10), (10, 11), (10, 10)], True),  # enough is enough
    ],
)
def test_turns_end_when_more_would_not_change_anything(turns: list[tuple[float, float]], decided: bool) -> None:
    assert race(*turns).decided(1.03) is decided


def test_a_race_without_turns_has_no_winner() -> None:
    assert Race().ratio == 0
