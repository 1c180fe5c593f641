"""What is loaded, what leaves, and who starts, by a clock that the tests move."""

import pytest

from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint, OutOfMemoryError, plan
from puna.scheduler.policy import Load, Policy, Refuse, Resident, Start, Unload
from puna.scheduler.queue import Ticket

GIB = 1 << 30


def test_a_runner_that_embeds_serves_all_and_another_none_to_embed() -> None:
    generating, embedding = (Demand(Footprint(GIB, 0, 8192), embeds=value) for value in (False, True))
    loaded = plan(generating.footprint, context=0, parallel=0, available=10 * GIB)

    def serves(started: Demand, asked: Demand) -> bool:
        return Resident("model", started, loaded, 0, 0.0).serves(asked)

    assert [serves(embedding, asked) for asked in (generating, embedding)] == [True, True]
    assert [serves(generating, asked) for asked in (generating, embedding)] == [True, False]


class World:
    """A machine whose loads take no time unless a test says so."""

    def __init__(self, gib: float = 10, *, max_models: int = 0, slots: int = 1) -> None:
        self.now = 0.0
        self.slots = slots
        self.policy = Policy(capacity=lambda: int(gib * GIB / 0.85) + 1, max_queue=100, max_models=max_models)
        self.running: dict[str, Resident] = {}
        self.log: list[str] = []
        self.loading: list[Resident] = []
        self.refused: list[OutOfMemoryError] = []

    def ask(
        self,
        name: str,
        model: str,
        *,
        size: float = 4,
        context: int = 1024,
        variant: str = "",
        batch: bool = False,
        cards: float = 0,
    ) -> None:
        footprint = Footprint(int(size * GIB) - (64 << 20), 0, 8192)
        demand = Demand(footprint, context, self.slots, variant, cards=int(cards * GIB / 0.85) + 1 if cards else 0)
        self.policy.submit(Ticket(name, name[0], model, demand, self.now, batch=batch))
        self.step()

    def step(self, *, finish_loads: bool = True) -> None:
        again = True
        while again:
            again = False
            for action in self.policy.step(self.now):
                match action:
                    case Start(ticket, resident):
                        self.running[ticket.id] = resident
                        self.log.append(ticket.id)
                    case Load(_, resident):
                        self.log.append(f"+{resident.key}")
                        self.loading.append(resident)
                    case Unload(resident):
                        self.log.append(f"-{resident.key}")
                        self.policy.gone(resident)
                        again = True
                    case Refuse(_, error):
                        self.refused.append(error)
            if finish_loads and self.loading:
                self.finish_loads()
                again = True

    def finish_loads(self, seconds: float = 0.0) -> None:
        for resident in self.loading:
            self.policy.loaded(resident, 0, self.now, seconds)
        self.loading = []

    def end(self, name: str, seconds: float = 1.0) -> None:
        self.now += seconds
        self.policy.finished(self.running.pop(name), self.now, seconds)
        self.step()


def test_models_that_fit_stay_together() -> None:
    world = World(gib=10)
    world.ask("a", "x")
    world.ask("b", "y")
    assert world.log == ["+x", "a", "+y", "b"]


def test_the_least_recently_used_idle_model_makes_room() -> None:
    world = World(gib=10)
    for name, model in (("a", "x"), ("b", "y")):
        world.ask(name, model)
        world.end(name)
    world.ask("c", "x")
    world.end("c")
    world.ask("d", "z")
    assert world.log[-3:] == ["-y", "+z", "d"]


def test_no_more_idle_models_leave_than_needed() -> None:
    world = World(gib=10)
    for name, size in (("a", 2), ("b", 3), ("c", 4)):
        world.ask(name, name, size=size)
        world.end(name)
    world.ask("d", "d", size=5)
    assert world.log[-4:] == ["-a", "-b", "+d", "d"]


def test_a_number_of_models_is_kept() -> None:
    world = World(gib=100, max_models=2)
    for name in "abc":
        world.ask(name, name)
        world.end(name)
    assert sorted(world.policy.residents) == ["b", "c"]


def test_a_model_that_can_never_fit_is_refused_with_the_numbers() -> None:
    world = World(gib=8.5)
    world.ask("a", "x")
    with pytest.raises(OutOfMemoryError, match=r"\(20\.0 GiB\) than is available \(10\.0 GiB\)"):
        world.policy.check(Demand(Footprint(20 * GIB - (64 << 20), 0, 8192)))
    world.ask("b", "y", size=20)
    assert len(world.refused) == 1
    assert len(world.policy.queue) == 0


def test_requests_wait_for_slots_in_the_queue() -> None:
    world = World(slots=2)
    for name in ("a", "b", "c", "d"):
        world.ask(name, "x")
    assert world.log == ["+x", "a", "b"]
    world.end("a")
    assert world.log[-1] == "c"
    assert len(world.policy.queue) == 1


def test_a_busy_model_may_use_its_turn_and_then_makes_room() -> None:
    world = World(gib=5)
    for name in "abd":
        world.ask(name, "x")
    world.now = 1
    world.ask("c", "y")
    assert world.policy.wake() == 10.0
    world.end("a", 4)
    assert world.log == ["+x", "a", "b"]  # y waits: x has had five seconds
    world.end("b", 6)
    assert world.log[3:6] == ["-x", "+y", "c"]
    world.end("c", 1)
    assert world.log[6:] == ["-y", "+x", "d"]  # y is idle, so its turn is over


def test_a_model_that_is_to_leave_starts_nothing() -> None:
    world = World(gib=5, slots=2)
    world.ask("a", "x")
    world.now = 11
    world.ask("b", "y")
    world.ask("c", "x")
    assert world.log == ["+x", "a"]
    world.end("a")
    assert world.log[2:5] == ["-x", "+y", "b"]


def test_a_model_that_is_to_leave_starts_nothing_while_another_one_goes() -> None:
    world = World(gib=10, slots=2)
    for name, model in (("a", "x"), ("b", "y")):
        world.ask(name, model)
    world.now = 11
    world.ask("c", "z")
    going = world.policy.residents["y"]
    world.policy.stop(going)
    world.ask("d", "x")
    assert world.log == ["+x", "a", "+y", "b"]
    world.policy.gone(going)
    world.step()
    assert world.log[4:] == ["+z", "d", "c"], "there is room, so that it stays after all"


def test_it_stays_after_all_when_nobody_waits_for_the_other_any_more() -> None:
    world = World(gib=5, slots=2)
    world.ask("a", "x")
    world.now = 11
    world.ask("b", "y")
    waiting = world.policy.queue.head("y")
    assert waiting
    world.policy.queue.remove(waiting)
    world.ask("c", "x")
    assert world.log == ["+x", "a", "c"]


def test_a_batch_request_takes_idle_room_only_until_it_has_waited() -> None:
    world = World(gib=5)
    world.ask("a", "x")
    world.ask("b", "x")
    world.now = 11
    world.ask("c", "y", batch=True)
    world.end("a", 40)
    assert world.log == ["+x", "a", "b"]
    world.ask("d", "x")
    world.end("b", 40)
    assert world.log[3:] == ["-x", "+y", "c"]


def test_a_batch_request_gives_way_to_one_for_another_model_that_came_later() -> None:
    world = World(gib=5)
    world.ask("a", "x")
    world.now = 11
    world.ask("b", "y", batch=True)
    world.now = 12
    world.ask("c", "z")
    world.end("a")
    assert world.log[2:] == ["-x", "+z", "c"]


@pytest.mark.parametrize(("load", "turn"), [(2, 10), (5, 20), (20, 60), (90, 90)])
def test_slow_loads_make_turns_longer_within_bounds(load: float, turn: float) -> None:
    world = World(gib=5)
    demand = Demand(Footprint(4 * GIB, 0, 8192), 1024, 1)
    world.policy.submit(Ticket("a", "a", "x", demand, 0))
    world.step(finish_loads=False)
    world.now = load
    world.finish_loads(seconds=load)
    world.step()
    world.ask("b", "y")
    assert world.policy.wake() == load + turn


def test_one_change_at_a_time() -> None:
    world = World(gib=100)
    for name in "ab":
        demand = Demand(Footprint(GIB, 0, 8192), 1024, 1)
        world.policy.submit(Ticket(name, name, name, demand, 0))
        world.step(finish_loads=False)
    assert world.log == ["+a"]
    world.finish_loads()
    world.step(finish_loads=False)
    assert sorted(world.log) == ["+a", "+b", "a"]


def test_a_smaller_context_uses_the_runner_as_it_is() -> None:
    world = World(slots=4)
    world.ask("a", "x", context=4096)
    world.ask("b", "x", context=1024)
    assert world.log == ["+x", "a", "b"]


def test_a_larger_context_reloads_when_the_runner_is_free() -> None:
    world = World(slots=4)
    world.ask("a", "x", context=1024)
    world.ask("b", "x", context=4096)
    world.now = 11
    world.ask("c", "x", context=1024)
    assert world.log == ["+x", "a"]
    world.end("a")
    assert world.log[2:] == ["-x", "+x", "b", "c"]


def test_other_options_reload() -> None:
    world = World()
    world.ask("a", "x", variant="1")
    world.end("a")
    world.ask("b", "x", variant="2")
    assert world.log == ["+x", "a", "-x", "+x", "b"]


def test_context_left_to_puna_does_not_reload_a_runner_that_has_all() -> None:
    footprint = Footprint(GIB, 0, 8192)
    world = World()
    world.ask("a", "x", context=8192)
    resident = world.policy.residents["x"]
    assert resident.serves(Demand(footprint, 0, 1, ""))
    world.end("a")
    world.ask("b", "y", context=1024)
    assert not world.policy.residents["y"].serves(Demand(footprint, 0, 1, ""))


def test_the_wait_is_estimated_from_what_requests_took() -> None:
    world = World(slots=2)
    for name in "abcdef":
        world.ask(name, "x")
    waiting = world.policy.queue.tickets()
    assert world.policy.estimate(waiting[0]) is None
    world.end("a", 4)
    waiting = world.policy.queue.tickets()
    assert [world.policy.estimate(ticket) for ticket in waiting] == [2, 4, 6]
    world.end("b", 9)
    waiting = world.policy.queue.tickets()
    assert [world.policy.estimate(ticket) for ticket in waiting] == [2.5, 5], "the last one counts for a fifth"


def test_of_busy_models_the_one_longest_in_memory_makes_room() -> None:
    world = World(gib=10, slots=2)
    for name, model in (("a", "y"), ("b", "x")):
        world.ask(name, model)
        world.now += 1
    world.now = 30
    world.ask("c", "z")
    world.ask("d", "x")
    assert world.log == ["+y", "a", "+x", "b", "d"], "the other one goes on"
    world.end("a")
    assert world.log[5:] == ["-y", "+z", "c"]


def test_a_model_that_made_room_waits_from_then_on() -> None:
    world = World(gib=5)
    for name in "ab":
        world.ask(name, "x")
    world.now = 11
    world.ask("c", "y")
    world.now = 12
    world.ask("d", "z")
    world.end("a", 3)
    assert world.log[2:] == ["-x", "+y", "c"]
    world.now = 30
    world.end("c")
    assert world.log[5:] == ["-y", "+z", "d"], "though the other request for x has waited since before"
    world.now = 60
    world.end("d")
    assert world.log[8:] == ["-z", "+x", "b"]


def test_a_pinned_model_makes_room_for_nobody() -> None:
    world = World(gib=10)
    for name, pinned in (("a", True), ("b", False)):
        demand = Demand(Footprint(4 * GIB - (64 << 20), 0, 8192), 1024, 1, pinned=pinned)
        world.policy.submit(Ticket(name, name, name, demand, world.now))
        world.step()
        world.end(name)
    world.ask("c", "c")
    assert world.log == ["+a", "a", "+b", "b", "-b", "+c", "c"], "it was used first, and stays"
    pinned_one, loading = world.policy.residents["a"], world.policy.residents["c"]
    assert world.policy.squeeze(loading, shrink=False) == []
    assert pinned_one.ready


def test_a_load_that_ran_out_of_memory_sends_idle_models_away_or_shrinks() -> None:
    world = World(gib=100)
    world.ask("a", "x")
    world.end("a")
    demand = Demand(Footprint(GIB, 1000, 8192))
    world.policy.submit(Ticket("b", "b", "y", demand, world.now))
    world.step(finish_loads=False)
    loading = world.policy.residents["y"]
    assert world.policy.squeeze(loading, shrink=True) == [world.policy.residents["x"]]
    world.policy.gone(world.policy.residents["x"])
    assert world.policy.squeeze(loading, shrink=False) == []
    assert loading.plan.parallel == 8
    assert world.policy.squeeze(loading, shrink=True) == []
    assert loading.plan.parallel == 1


def test_models_on_cards_make_room_on_cards_for_each_other_alone() -> None:
    world = World(gib=5)
    world.ask("a", "processor", cards=0)
    world.end("a")
    for name, model in (("b", "x"), ("c", "y")):
        world.ask(name, model, cards=10)
        world.end(name)
    assert world.policy.on_cards == 2 * 4.5 * GIB
    world.ask("d", "z", cards=10)
    assert world.log == ["+processor", "a", "+x", "b", "+y", "c", "-x", "+z", "d"]


def test_a_model_on_the_processor_leaves_those_on_cards_alone() -> None:
    world = World(gib=5)
    world.ask("a", "x", cards=5)
    world.end("a")
    world.ask("b", "processor", cards=0)
    assert world.log == ["+x", "a", "+processor", "b"]


def test_what_a_model_holds_beside_its_card_is_measured() -> None:
    world = World(gib=5)
    world.ask("a", "x", cards=10)
    resident = world.policy.residents["x"]
    world.policy.measured(resident, 3 * GIB)
    assert resident.room == (3 * GIB, 4.5 * GIB)
    world.end("a")
    world.ask("b", "y", size=3, cards=0)
    assert world.log == ["+x", "a", "-x", "+y", "b"]


def test_a_load_that_ran_out_of_a_cards_memory_is_split() -> None:
    world = World(slots=2)
    world.ask("a", "x", cards=10)
    resident = world.policy.residents["x"]
    assert not resident.plan.split
    assert world.policy.squeeze(resident, shrink=True, cards=GIB) == []
    assert (resident.plan.split, resident.plan.on_cards) == (True, int(0.85 * GIB))
    assert resident.plan.parallel == 2, "the number that was asked for"


def test_a_load_that_ran_out_of_a_cards_memory_first_sends_others_away() -> None:
    world = World()
    world.ask("a", "x", cards=10)
    world.end("a")
    world.ask("b", "y", cards=10)
    loading = world.policy.residents["y"]
    size = loading.plan.on_cards
    assert world.policy.squeeze(loading, shrink=True, cards=GIB) == [world.policy.residents["x"]]
    assert (loading.plan.split, loading.plan.on_cards) == (True, size), "there will be more room"


@pytest.mark.parametrize(
    ("guesses", "plain", "served"), [(True, True, False), (True, False, True), (False, True, True)]
)
def test_a_runner_that_guesses_serves_all_but_plain_requests(guesses: bool, plain: bool, served: bool) -> None:
    footprint = Footprint(GIB, 0, 8192)
    world = World()
    world.policy.submit(Ticket("a", "a", "x", Demand(footprint, guesses=guesses), 0))
    world.step()
    world.policy.submit(Ticket("b", "b", "x", Demand(footprint, plain=plain), 0))
    world.end("a")
    assert world.log == (["+x", "a", "b"] if served else ["+x", "a", "-x", "+x", "b"])


def test_a_request_that_shall_be_alone_is() -> None:
    world = World(gib=10, slots=2)
    world.ask("a", "x")
    demand = world.running["a"].demand
    for name in "bc":
        world.policy.submit(Ticket(name, name, "x", demand, world.now, again=True, alone=True))
    world.ask("d", "x")
    assert world.log == ["+x", "a"], "those behind it wait as well"
    world.end("a")
    assert world.log[2:] == ["b"]
    world.end("b")
    assert world.log[3:] == ["c"]
    world.end("c")
    world.ask("e", "x")
    assert world.log[4:] == ["d", "e"]


def test_a_load_that_drags_on_is_passed_by() -> None:
    world = World(gib=10)
    world.policy.submit(Ticket("a", "a", "x", Demand(Footprint(4 * GIB, 0, 8192), 1024, 1), 0.0))
    world.step(finish_loads=False)
    world.policy.submit(Ticket("b", "b", "y", Demand(Footprint(4 * GIB, 0, 8192), 1024, 1), 0.0))
    world.step(finish_loads=False)
    assert world.log == ["+x"]
    assert world.policy.wake() == 3
    world.now = 3
    world.policy.submit(Ticket("c", "c", "z", Demand(Footprint(4 * GIB, 0, 8192), 1024, 1), 0.0))
    world.step(finish_loads=False)
    assert world.log == ["+x", "+y"]
    world.now = 7
    world.step(finish_loads=False)
    assert world.log == ["+x", "+y"], "there is no room, and what loads is not asked to go"


def test_what_fits_beside_a_model_that_leaves_comes_in() -> None:
    world = World(gib=10)
    for name, model in (("a", "x"), ("b", "y")):
        world.ask(name, model)
        world.end(name)
    world.policy.stop(world.policy.residents["x"])
    world.ask("c", "z", size=2)
    assert world.log[4:] == ["+z", "c"]
    world.ask("d", "w", size=4)
    assert world.log[6:] == [], "nobody else is asked to go before that one has gone"
    world.policy.gone(world.policy.residents["x"])
    world.step()
    assert world.log[6:] == ["+w", "d"]


def test_two_runners_of_a_model_count_as_one() -> None:
    world = World(gib=20, max_models=1)
    for name, lane in (("a", "x"), ("b", "x embeds")):
        demand = Demand(Footprint(4 * GIB, 0, 8192), 1024, 1, model="x")
        world.policy.submit(Ticket(name, name, lane, demand, world.now))
        world.step()
        world.end(name)
    assert world.log == ["+x", "a", "+x embeds", "b"]
    world.ask("c", "y")
    assert world.log[4:] == ["-x", "-x embeds", "+y", "c"]


def test_loads_are_wanted_as_long_as_somebody_waits_for_them() -> None:
    world = World()
    tickets = [
        Ticket(name, name, "x", Demand(Footprint(GIB, 0, 8192), size, 1), 0.0)
        for name, size in (("a", 1024), ("b", 4096))
    ]
    for ticket in tickets:
        world.policy.submit(ticket)
    world.step(finish_loads=False)
    (resident,) = world.loading
    assert world.policy.wanted(resident)
    world.policy.queue.remove(tickets[0])
    assert not world.policy.wanted(resident), "who waits for a larger context waits for another load"
