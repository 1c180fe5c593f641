"""The order of turns, by a clock that the tests move."""

from collections.abc import Iterable

import pytest

from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint
from puna.scheduler.queue import PROMOTION, FairQueue, QueueFullError, Ticket

_DEMAND = Demand(Footprint(1, 1, 1))


def ticket(
    name: str, client: str = "", *, lane: str = "m", at: float = 0.0, batch: bool = False, weight: float = 1.0
) -> Ticket:
    return Ticket(name, client or name[0], lane, _DEMAND, at, batch=batch, weight=weight)


def queue_of(tickets: Iterable[Ticket], limit: int = 1000) -> FairQueue:
    queue = FairQueue(limit)
    for one in tickets:
        queue.push(one)
    return queue


def drain(queue: FairQueue, lane: str = "m", now: float = 0.0) -> list[str]:
    order = []
    queue.promote(now)
    while head := queue.head(lane):
        queue.start(head)
        order.append(head.id)
    return order


def test_clients_take_turns_however_many_requests_each_has() -> None:
    queue = queue_of([ticket(f"a{i}") for i in range(4)] + [ticket(f"b{i}") for i in range(2)] + [ticket("c0")])
    assert drain(queue) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_a_client_has_turns_by_its_weight() -> None:
    heavy = [ticket(f"a{i}", weight=2) for i in range(4)]
    light = [ticket(f"c{i}", weight=0.5) for i in range(2)]
    queue = queue_of([*heavy, *(ticket(f"b{i}") for i in range(3)), *light])
    assert drain(queue) == ["a0", "b0", "c0", "a1", "a2", "b1", "a3", "b2", "c1"]


def test_a_light_client_has_saved_nothing_up_and_nothing_is_forgotten_early() -> None:
    queue = queue_of([ticket("l0", weight=0.01)])
    assert drain(queue) == ["l0"]
    for number in range(200):  # enough clients that old turns are forgotten
        queue.push(ticket(f"x{number}", f"x{number}"))
        assert drain(queue) == [f"x{number}"]
    queue.push(ticket("l1", weight=0.01))
    queue.push(ticket("y0"))
    assert drain(queue) == ["y0", "l1"]


def test_a_client_who_comes_back_has_one_turn_with_those_who_waited() -> None:
    queue = queue_of([ticket("a0"), ticket("b0"), ticket("c0")])
    head = queue.head("m")
    assert head and head.id == "a0"
    queue.start(head)
    queue.push(ticket("a1"))
    assert drain(queue) == ["b0", "c0", "a1"]


def test_interactive_requests_go_before_batch() -> None:
    queue = queue_of([ticket("b0", batch=True), ticket("b1", batch=True), *(ticket(f"a{i}") for i in range(3))])
    assert drain(queue) == ["a0", "a1", "a2", "b0", "b1"]


def test_a_batch_request_that_has_waited_long_takes_its_turn() -> None:
    queue = queue_of([ticket("b0", batch=True), *(ticket(f"a{i}", at=PROMOTION) for i in range(3))])
    assert queue.next_promotion() == PROMOTION
    assert drain(queue, now=PROMOTION) == ["b0", "a0", "a1", "a2"]


def test_a_flood_of_new_clients_starves_nobody() -> None:
    queue = queue_of([ticket("a0"), ticket("a1")])
    served = []
    for second in range(1000):
        queue.push(ticket(f"new{second}", client=f"new{second}", at=float(second)))
        head = queue.head("m")
        assert head
        queue.start(head)
        served.append(head.id)
    assert "a1" in served[:70]


def test_requests_that_gave_up_do_not_count_as_turns() -> None:
    queue = queue_of([])
    gone = [ticket(f"a{i}") for i in range(50)]
    for one in gone:
        queue.push(one)
    for one in gone:
        queue.remove(one)
    for one in (ticket("b0"), ticket("b1"), ticket("a50")):
        queue.push(one)
    assert drain(queue) == ["b0", "a50", "b1"]
    assert len(queue) == 0


def test_a_request_that_lost_its_runner_is_first() -> None:
    queue = queue_of([ticket("b0"), ticket("c0")])
    queue.push(Ticket("a0", "a", "m", _DEMAND, 9.0, again=True))
    assert drain(queue) == ["a0", "b0", "c0"]


def test_positions_count_those_before() -> None:
    tickets = [ticket("a0"), ticket("a1"), ticket("b0"), ticket("c0", batch=True)]
    queue = queue_of(tickets)
    assert [queue.position(one) for one in tickets] == [0, 2, 1, 3]
    queue.remove(tickets[0])
    assert [queue.position(one) for one in tickets[1:]] == [1, 0, 2]


def test_lanes_do_not_mix() -> None:
    queue = queue_of([ticket("a0", lane="x", batch=True), ticket("b0", lane="y"), ticket("b1", lane="y", batch=True)])
    assert [(head.id, gives_way) for head, gives_way in queue.heads()] == [("a0", True), ("b0", False)]
    assert drain(queue, "y") == ["b0", "b1"]
    assert [(head.id, gives_way) for head, gives_way in queue.heads()] == [("a0", True)]


def test_one_too_many_is_turned_away() -> None:
    queue = queue_of([ticket("a0"), ticket("b0")], limit=2)
    last = ticket("c0")
    queue.push(last)
    assert queue.overflow(last) is last


def test_whoever_fills_the_queue_makes_room_for_others() -> None:
    queue = queue_of([ticket(f"a{i}") for i in range(3)], limit=3)
    newcomer = ticket("b0")
    queue.push(newcomer)
    displaced = queue.overflow(newcomer)
    assert displaced and displaced.id == "a2"
    queue.remove(displaced)
    assert queue.overflow(newcomer) is None
    another = ticket("a9")
    queue.push(another)
    assert queue.overflow(another) is another


def test_of_whoever_fills_the_queue_what_can_wait_makes_room_first() -> None:
    queue = queue_of([ticket("a0", lane="other", batch=True), *(ticket(f"a{i}") for i in range(1, 4))], limit=4)
    newcomer = ticket("b0")
    queue.push(newcomer)
    displaced = queue.overflow(newcomer)
    assert displaced and displaced.id == "a0"


def test_one_request_more_than_others_have_is_no_flood() -> None:
    queue = queue_of([ticket("a0"), ticket("a1")], limit=2)
    newcomer = ticket("b0")
    queue.push(newcomer)
    assert queue.overflow(newcomer) is newcomer


def test_a_request_that_lost_its_runner_is_not_turned_away() -> None:
    queue = queue_of([ticket("a0")], limit=1)
    back = Ticket("b0", "b", "m", _DEMAND, 0.0, again=True)
    queue.push(back)
    assert queue.overflow(back) is None


@pytest.mark.parametrize(("wait", "told"), [(0.0, "1"), (2.1, "3"), (3600.0, "60")])
def test_who_is_turned_away_is_told_when_to_come_back(wait: float, told: str) -> None:
    assert QueueFullError(wait).headers["Retry-After"] == told


def test_a_turn_given_back_counts_by_the_weight_of_its_client() -> None:
    tickets = [ticket(f"a{number}", weight=2) for number in range(2)]
    queue = queue_of([*tickets, ticket("b0"), ticket("b1")])
    queue.start(tickets[0])
    queue.remove(tickets[1])
    queue.push(ticket("a2", weight=2))
    assert drain(queue) == ["b0", "a2", "b1"]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_request_can_be_taken_out_twice(taken: int) -> None:
    tickets = [ticket("a0"), ticket("b0"), ticket("c0")]
    queue = queue_of(tickets)
    queue.remove(tickets[taken])
    queue.remove(tickets[taken])
    queue.start(tickets[taken])
    assert drain(queue) == [one.id for index, one in enumerate(tickets) if index != taken]


def test_a_turn_that_was_not_used_is_the_only_one_that_is_given_back() -> None:
    tickets = [ticket(f"a{number}") for number in range(3)]
    queue = queue_of(tickets)
    queue.remove(tickets[2])
    for name in ("a3", "b0", "b1"):
        queue.push(ticket(name))
    assert drain(queue) == ["a0", "b0", "a1", "b1", "a3"]


def test_who_is_promoted_comes_behind_those_of_the_same_turn() -> None:
    queue = queue_of([ticket("a0", batch=True), ticket("b0")])
    assert drain(queue, now=PROMOTION) == ["b0", "a0"]


def test_lanes_in_which_nobody_waits_are_forgotten_but_for_the_last() -> None:
    queue = FairQueue(1000)
    waiting = ticket("w0", lane="first", batch=True)
    queue.push(waiting)
    queue.push(ticket("g0", lane="gone", batch=True))
    queue.start(next(one for one in queue.tickets() if one.id == "g0"))
    for number in range(2000):
        queue.push(ticket(f"a{number}", lane=str(number), at=1.0))
        assert drain(queue, str(number)) == [f"a{number}"]
    assert len(queue._lanes) < 300
    assert queue.position(waiting) == 0
    assert drain(queue, "first", now=PROMOTION) == ["w0"]
