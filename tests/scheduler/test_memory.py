"""Context and slots chosen from memory."""

from dataclasses import replace

import pytest

from puna.scheduler.memory import Footprint, OutOfMemoryError, plan

GIB = 1 << 30
TINY = Footprint(weights=7 << 20, cache_per_token=3072, trained_context=2048)
SMALL = Footprint(weights=GIB, cache_per_token=32 << 10, trained_context=131072)
MIDDLE = Footprint(weights=5 * GIB, cache_per_token=128 << 10, trained_context=131072)


@pytest.mark.parametrize(
    ("footprint", "gib", "expected"),
    [(TINY, 20, (2048, 8)), (SMALL, 20, (8192, 8)), (MIDDLE, 20, (8192, 4)), (MIDDLE, 8, (8192, 1))],
)
def test_default_context_and_slots(footprint: Footprint, gib: int, expected: tuple[int, int]) -> None:
    chosen = plan(footprint, context=0, parallel=0, available=gib * GIB)
    assert (chosen.context, chosen.parallel) == expected


@pytest.mark.parametrize(
    ("saved", "gib", "expected"),
    [
        (8192, 20, (8192, 8)),
        (16384, 20, (16384, 4)),  # it is larger, with half of the slots
        (8192, 14, (8192, 4)),  # there is less memory now
        (4096, 20, (8192, 8)),  # not comfortable
        (131072, 14, (16384, 4)),  # more than half of the slots would be lost
        (10000, 20, (8192, 8)),  # somebody asked for that one
    ],
)
def test_context_of_saved_conversations_is_kept(saved: int, gib: int, expected: tuple[int, int]) -> None:
    chosen = plan(SMALL, context=0, parallel=0, available=gib * GIB, saved_context=saved)
    assert (chosen.context, chosen.parallel) == expected


def test_saved_conversations_do_not_change_the_context_asked_for() -> None:
    assert plan(SMALL, context=4096, parallel=0, available=20 * GIB, saved_context=8192).context == 4096


def test_the_context_asked_for_is_kept_and_slots_give_way() -> None:
    chosen = plan(MIDDLE, context=32768, parallel=0, available=20 * GIB)
    assert (chosen.context, chosen.parallel) == (32768, 2)


def test_the_slots_asked_for_are_kept_and_the_context_gives_way() -> None:
    chosen = plan(SMALL, context=0, parallel=16, available=20 * GIB)
    assert (chosen.context, chosen.parallel) == (16384, 16)


def test_less_than_a_comfortable_context_is_better_than_nothing() -> None:
    chosen = plan(MIDDLE, context=0, parallel=0, available=int(6.7 * GIB))
    assert (chosen.context, chosen.parallel) == (4096, 1)


def test_scores_against_the_whole_cache_are_counted_for_one_step() -> None:
    scored = replace(SMALL, scores_per_pair=128, micro_batch=128)
    assert scored.total(4096, 8) - SMALL.total(4096, 8) == 128 * 128 * 4096 * 8
    chosen = plan(scored, context=0, parallel=0, available=20 * GIB)
    assert chosen.size == scored.total(chosen.context, chosen.parallel)


def test_what_cannot_fit_is_told_with_numbers() -> None:
    with pytest.raises(
        OutOfMemoryError, match=r"requires more system memory \(9\.1 GiB\) than is available \(6\.0 GiB\)"
    ):
        plan(MIDDLE, context=32768, parallel=0, available=6 * GIB)
