"""Loads that get on, and loads that do not."""

from puna.engine.progress import LoadProgress

MIB = 1 << 20


def test_a_load_that_neither_computes_nor_grows_stands_still() -> None:
    progress = LoadProgress(10, now=0)
    assert not progress.stalled(5, 1.0, 50 * MIB)
    assert not progress.stalled(14, 1.0, 50 * MIB)
    assert progress.stalled(15, 1.0, 50 * MIB)


def test_answering_that_it_is_not_ready_is_no_progress() -> None:
    progress = LoadProgress(10, now=0)
    assert [progress.stalled(second, 0.001 * second, 0) for second in range(11)] == [False] * 10 + [True]


def test_a_load_from_a_slow_disk_gets_on() -> None:
    progress = LoadProgress(10, now=0)
    assert not any(progress.stalled(second, 0.0, second * MIB // 4) for second in range(110))


def test_a_load_on_a_busy_machine_gets_on() -> None:
    progress = LoadProgress(10, now=0)
    assert not any(progress.stalled(second, 0.02 * second, 0) for second in range(110))


def test_no_load_goes_on_for_ever() -> None:
    progress = LoadProgress(10, now=0)
    assert next(second for second in range(130) if progress.stalled(second, second, 0)) == 120
