"""Context and slots chosen from memory."""

from dataclasses import replace

import pytest

from puna.scheduler.memory import Footprint, OutOfMemoryError, Room, plan

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
    assert scored.total(4096, 8) - SMALL.total(4096, 8) == 128 * 128 * 4096, "of one slot: each has a cache of its own"
    assert replace(scored, unified=True).total(4096, 8) - SMALL.total(4096, 8) == 128 * 128 * 4096 * 8
    chosen = plan(scored, context=0, parallel=0, available=20 * GIB)
    assert chosen.size == scored.total(chosen.context, chosen.parallel)


@pytest.mark.parametrize(
    ("cells", "step"), [((8192, 4), 256), ((8192, 8), 256), ((8192, 10), 204), ((16384, 8), 128), ((1 << 20, 1), 128)]
)
def test_steps_are_smaller_where_their_scores_would_take_much_memory(cells: tuple[int, int], step: int) -> None:
    scored = replace(SMALL, scores_per_pair=128, micro_batch=256, unified=True)
    assert replace(scored, unified=False).step(*cells) == (128 if cells[1] == 1 else 256)
    assert scored.step(*cells) == step
    assert replace(scored, scores_per_pair=0).step(*cells) == 256
    assert replace(scored, micro_batch=0).step(*cells) == cells[0], "a text to embed is not cut"


@pytest.mark.parametrize(
    ("footprint", "gib", "bound"),
    [
        (TINY, 20, 3072 * 2048 * 8),  # what all slots can hold
        (MIDDLE, 20, GIB),
    ],
)
def test_prompts_that_leave_their_slot_have_what_is_left_within_bounds(
    footprint: Footprint, gib: int, bound: int
) -> None:
    assert plan(footprint, context=0, parallel=0, available=gib * GIB).prompt_cache == bound
    tight = plan(MIDDLE, context=4096, parallel=1, available=int(6.6 * GIB))
    assert tight.prompt_cache == int(6.6 * GIB * 0.85) - tight.size


def test_what_cannot_fit_is_told_with_numbers() -> None:
    with pytest.raises(
        OutOfMemoryError, match=r"requires more system memory \(9\.1 GiB\) than is available \(6\.0 GiB\)"
    ):
        plan(MIDDLE, context=32768, parallel=0, available=6 * GIB)


def test_a_model_goes_whole_to_the_cards_if_it_can() -> None:
    chosen = plan(MIDDLE, context=0, parallel=0, available=2 * GIB, cards=24 * GIB)
    assert (chosen.context, chosen.parallel, chosen.split) == (8192, 4, False)
    assert chosen.room == (0, chosen.size)
    assert chosen.size > MIDDLE.total(8192, 4), "a card's driver holds memory for each process"
    assert 0 < chosen.prompt_cache <= 2 * GIB, "which lies in the machine's memory"


def test_a_smaller_context_on_the_cards_is_better_than_a_part_of_the_model_elsewhere() -> None:
    chosen = plan(MIDDLE, context=0, parallel=0, available=100 * GIB, cards=8 * GIB)
    assert (chosen.context, chosen.parallel, chosen.split) == (8192, 1, False)


def test_what_the_cards_cannot_hold_lies_in_the_machines_memory() -> None:
    chosen = plan(MIDDLE, context=0, parallel=0, available=20 * GIB, cards=4 * GIB)
    assert chosen.split
    assert chosen.room.cards == int(4 * GIB * 0.85)
    assert chosen.room.memory == chosen.size - chosen.room.cards > 0
    with pytest.raises(OutOfMemoryError, match=r"\(5\.0 GiB\)"):
        plan(MIDDLE, context=0, parallel=0, available=3 * GIB, cards=2 * GIB)


def test_a_part_of_the_layers_may_be_wanted_on_the_cards() -> None:
    half = plan(MIDDLE, context=4096, parallel=1, available=20 * GIB, cards=20 * GIB, cards_share=0.5)
    assert half.size - half.on_cards == MIDDLE.layers(4096, 1) // 2, "what a step needs lies on the cards"


def test_room_is_counted_for_both_kinds_of_memory() -> None:
    room = Room(10, 5)
    assert [room.holds(Room(*other)) for other in ((10, 5), (11, 0), (0, 6))] == [True, False, False]
    assert Room(10, -5).holds(Room(10)), "no card is needed"
    full = Room(1, -1)
    assert [Room(1, 1).relieves(full, Room(*wanted)) for wanted in ((2, 0), (0, 1), (1, 0))] == [True, True, False]
    assert [Room(*own).relieves(full, Room(2, 0)) for own in ((1, 0), (0, 1))] == [True, False]
    assert room.minus(Room(3, 4)).plus(Room(1, 1)) == (8, 2)
    assert Room(100, 20).usable == (85, 17)
