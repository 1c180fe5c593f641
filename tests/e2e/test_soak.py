"""A quarter of a minute of what ``bench/soak.py`` does for half an hour."""

from tests.soak.run import Course, Plan, soak


async def test_nothing_is_lost_and_nothing_left_over_when_clients_vanish_and_runners_die() -> None:
    course = Course()
    await soak(Plan(seconds=15, clients=25, harm_every=2.5, seed=1, pause=2), course)
    assert course.faults == []
    assert sum(count for (_, outcome), count in course.record.outcomes.items() if outcome == "answer") > 20
    assert course.harm["killed"]
