"""The router as plain code: what must hold whatever happens, and in which order it chooses."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.cluster import routing
from puna.cluster.prefixes import Beginning, Prefixes, Step
from puna.cluster.routing import Ask, NoNodeError, Place, Refuse, Retire, Router
from puna.cluster.state import PROTOCOL, Held, NodeState
from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint
from puna.scheduler.queue import Ticket

GB = 1 << 30


def beginning(*words: str) -> Beginning:
    steps, chars = [], 0
    for at, word in enumerate(words):
        chars += 1000
        steps.append(Step(hash((word, words[:at])), chars))
    return tuple(steps)


def ask(number: int, model: str = "m", client: str = "c", now: float = 0.0, **more: object) -> Ask:
    demand = Demand(Footprint(GB, 0, 0))
    batch = bool(more.pop("batch", False))
    return Ask(Ticket(str(number), client, model, demand, now, batch=batch), GB, **more)  # type: ignore[arg-type]


def node(name: str, *held: str, slots: int = 2, memory: int = 8 * GB, **more: object) -> NodeState:
    stored = frozenset(more.pop("stored", held))  # type: ignore[call-overload]
    models = tuple(Held(model, slots, GB) for model in held)
    return NodeState(name, memory=memory, held=models, stored=stored, **more)  # type: ignore[arg-type]


def placed(router: Router, now: float = 0.0) -> dict[str, str]:
    return {action.ask.ticket.id: action.node for action in router.step(now) if isinstance(action, Place)}


def found(router: Router, key: str) -> Ask:
    return next(running for running in router.running() if running.ticket.id == key)


def test_a_request_goes_where_its_model_is() -> None:
    router = Router()
    router.beat(node("a"), 0)
    router.beat(node("b", "m"), 0)
    router.submit(ask(1))
    assert placed(router) == {"1": "b"}


def test_a_request_goes_where_its_beginning_was_read() -> None:
    router = Router()
    for name in "abc":
        router.beat(node(name, "m"), 0)
    router.submit(ask(1, beginning=beginning("x")))
    (home,) = placed(router).values()
    router.leave(router.running()[0], 1, answered=True)
    router.submit(ask(2, beginning=beginning("x", "y")))
    assert placed(router, 1) == {"2": home}


def test_a_conversation_comes_back_though_its_beginning_was_cut() -> None:
    router = Router()
    for name in "abc":
        router.beat(node(name, "m"), 0)
    for number in range(1, 9):
        router.submit(ask(number, beginning=beginning(str(number)), conversation="talk" if number == 5 else ""))
        homes = placed(router)
        if number == 5:
            home = homes["5"]
        router.leave(router.running()[0], 1, answered=True)
    router.submit(ask(9, beginning=beginning("new"), conversation="talk"))
    assert placed(router, 1) == {"9": home}


def test_it_waits_for_a_cache_while_that_is_worth_it() -> None:
    router = Router()
    router.beat(node("a", "m", slots=1), 0)
    router.beat(node("b", "m", slots=1), 0)
    long = beginning(*map(str, range(60)))
    router.submit(ask(1, beginning=long))
    (home,) = placed(router).values()
    router.submit(ask(2, beginning=(*long, Step(1, 60_100))))
    router.submit(ask(3, beginning=beginning("short")))
    others = placed(router)
    assert others == {"3": "b" if home == "a" else "a"}, "what is short is read anew, what is long is not"
    router.leave(found(router, "1"), 1, answered=True)
    assert placed(router, 1) == {"2": home}


def test_a_hot_model_comes_to_further_nodes_and_leaves_them_when_it_is_not() -> None:
    router = Router()
    router.beat(node("a", "m", slots=1), 0)
    router.beat(node("b", stored=["m"]), 0)
    for number in range(12):
        router.submit(ask(number, client=str(number)))
    homes = Counter(placed(router).values())
    assert homes["b"] >= 1
    for running in router.running():
        router.leave(running, 1, answered=True)
    for waiting in router.waiting():
        router.leave(waiting, 1)
    router.beat(node("b", "m"), 2)
    retired = []
    for now in range(2, 600, 10):
        for action in router.step(float(now)):
            assert isinstance(action, Retire)
            retired.append((now, action.node))
            router.beat(node(action.node, stored=["m"]), now)
    assert len(retired) == 1, "the last one stays"
    assert retired[0][0] > 100, "it is not taken away at once"


def test_a_pinned_model_leaves_no_node() -> None:
    router = Router()
    router.beat(node("a", "m"), 0)
    router.beat(node("b", "m"), 0)
    router.submit(ask(1, pinned=True))
    placed(router)
    router.leave(router.running()[0], 1)
    assert not [action for now in range(2, 400, 10) for action in router.step(float(now))]


def test_labels_are_respected() -> None:
    router = Router()
    router.beat(node("a", "m"), 0)
    router.beat(node("b", labels=frozenset(["gpu", "big"])), 0)
    router.submit(ask(1, labels=frozenset(["gpu"])))
    assert placed(router) == {"1": "b"}
    router.submit(ask(2, labels=frozenset(["tpu"])))
    assert not placed(router, 1)
    (refused,) = [action for action in router.step(11) if isinstance(action, Refuse)]
    assert isinstance(refused.error, NoNodeError)
    assert "tpu" in str(refused.error)


def test_a_node_that_is_too_small_for_a_model_gets_it_only_where_all_are() -> None:
    router = Router()
    router.beat(node("small", memory=GB // 2, stored=["m"]), 0)
    router.beat(node("large", *"abcdefg", memory=8 * GB, stored="abcdefg"), 0)
    for at, model in enumerate("abcdefg"):
        router.submit(ask(at, model))
    placed(router)
    router.submit(ask(8))
    assert placed(router) == {"8": "large"}, "it makes room there"
    router.beat(node("large", "m", slots=1, memory=8 * GB), 0)
    for at in range(10, 20):
        router.submit(ask(at))
    assert not placed(router), "they wait for it"
    router.gone("large")
    assert set(placed(router).values()) == {"small"}, "which says what is the matter"


def test_nothing_is_kept_of_a_lane_that_nobody_could_answer() -> None:
    router = Router()
    for at in range(50):
        router.submit(ask(at, f"m{at}"))
    assert not router.step(0)
    assert len([action for action in router.step(11) if isinstance(action, Refuse)]) == 50
    assert not router._alone


@pytest.mark.parametrize("change", [{"draining": True}, {"protocol": PROTOCOL + 1}])
def test_a_node_that_drains_or_speaks_another_protocol_gets_nothing(change: dict[str, object]) -> None:
    router = Router()
    router.beat(node("a", "m", **change), 0)
    router.beat(node("b"), 0)
    router.submit(ask(1))
    assert placed(router) == {"1": "b"}


def test_one_client_does_not_hold_up_another_whichever_nodes_there_are() -> None:
    router = Router()
    for name in "ab":
        router.beat(node(name, "m", slots=1), 0)
    for number in range(40):
        router.submit(ask(number, client="hog"))
    placed(router)
    for number in range(40, 50):
        router.submit(ask(number, client="other"))
    order = []
    for now in range(1, 60):
        for running in router.running():
            router.leave(running, now, answered=True)
        order += [found(router, key).ticket.client for key in placed(router, float(now))]
    share = Counter(order[:20])
    assert abs(share["hog"] - share["other"]) <= 2


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 5), st.integers(1, 4))
def test_whatever_happens_nothing_is_lost_and_no_node_has_more_than_its_slots(
    rng: random.Random, nodes: int, models: int
) -> None:
    router = Router(max_queue=30)
    names = [f"n{at}" for at in range(nodes)]
    alive: dict[str, tuple[str, ...]] = {}
    state: dict[str, str] = {}
    now = 0.0
    for number in range(150):
        now += rng.random()
        match rng.randrange(6):
            case 0 | 1 | 2:
                client, model = str(rng.randrange(3)), f"m{rng.randrange(models)}"
                words = beginning(*(str(rng.randrange(3)) for _ in range(rng.randrange(4))))
                asked = ask(number, model, client, now, beginning=words, batch=rng.random() < 0.2)
                state[str(number)] = "waits"
                if displaced := router.submit(asked):
                    router.full(displaced)
                    state[displaced.ticket.id] = "refused"
            case 3:
                name = rng.choice(names)
                alive[name] = tuple({*alive.get(name, ()), f"m{rng.randrange(models)}"})
                router.beat(node(name, *alive[name]), now)
            case 4 if alive:
                name = rng.choice(list(alive))
                del alive[name]
                for lost in router.gone(name):
                    assert state[lost.ticket.id] == name
                    router.again(lost)
                    state[lost.ticket.id] = "waits"
            case 5 if router.running():
                over = rng.choice(router.running())
                router.leave(over, now, answered=True)
                state[over.ticket.id] = "done"
        for action in router.step(now):
            match action:
                case Place(chosen, name):
                    assert state[chosen.ticket.id] == "waits"
                    assert name in alive
                    state[chosen.ticket.id] = name
                case Refuse(chosen, _):
                    assert state[chosen.ticket.id] == "waits"
                    state[chosen.ticket.id] = "refused"
        assert {running.ticket.id for running in router.running()} == {key for key, at in state.items() if at in alive}
        assert {waiting.ticket.id for waiting in router.waiting()} == {
            key for key, at in state.items() if at == "waits"
        }
        used = Counter((running.node, running.digest) for running in router.running())
        assert all(count <= 4 for count in used.values())
        assert len(router.queue) <= 30 + nodes * models * 4, "who had a turn may wait again beside a full queue"
    while state and any(at == "waits" for at in state.values()):
        now += 1
        router.beat(node("n0", *(f"m{at}" for at in range(models))), now)
        for running in router.running():
            router.leave(running, now, answered=True)
            state[running.ticket.id] = "done"
        for action in router.step(now):
            if isinstance(action, Place):
                state[action.ask.ticket.id] = "n0"
        assert now < 1000, "somebody waits for ever"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from("xyz"), max_size=5)), max_size=40))
def test_the_table_of_prefixes_knows_the_longest_beginning_of_each_node(reads: list[tuple[str, list[str]]]) -> None:
    table = Prefixes()
    read: dict[str, list[list[str]]] = {}
    for name, words in reads:
        table.read(name, beginning(*words))
        read.setdefault(name, []).append(words)
    asked = ["x", "y", "z", "x"]
    found = table.known(beginning(*asked))
    for name, many in read.items():
        shared = max(
            next((at for at in range(len(asked)) if words[at : at + 1] != asked[at : at + 1]), len(asked))
            for words in many
        )
        assert found.get(name, 0) == shared * 1000
    table.forget("a")
    assert "a" not in table.known(beginning(*asked))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 50), max_size=8)), max_size=60))
def test_the_table_of_prefixes_is_bounded(reads: list[tuple[str, list[int]]]) -> None:
    table = Prefixes(limit=20)
    for name, words in reads:
        table.read(name, beginning(*map(str, words)))
        assert len(table) <= 20
        assert len(table) == sum(len(nodes) for nodes in table._nodes.values())


def test_who_loses_its_node_after_long_waits_as_long_for_another_as_who_has_just_come() -> None:
    router = Router()
    router.beat(node("a", "m"), 0)
    router.submit(ask(1))
    assert placed(router) == {"1": "a"}
    for lost in router.gone("a"):
        router.again(lost)
    assert router.step(100) == []
    assert router.step(109) == []
    router.beat(node("b", "m"), 109)
    assert placed(router, 109.5) == {"1": "b"}
    for lost in router.gone("b"):
        router.again(lost)
    assert router.step(200) == []
    assert isinstance(router.step(211)[0], Refuse)


def test_no_more_models_are_remembered_than_were_asked_for_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "_MODELS", 50)
    router = Router()
    router.beat(node("a"), 0)
    for number in range(500):
        router.submit(ask(number, model=str(number), pinned=True))
        placed(router)
        router.leave(found(router, str(number)), 1, answered=True)
    assert len(router._paces) <= 51
    assert len(router.queue._lanes) < 300


def test_a_model_that_is_pinned_no_more_leaves_the_nodes_that_have_it_for_nothing() -> None:
    router = Router()
    for name in "ab":
        router.beat(node(name, "m"), 0)
    for number, pinned in ((1, True), (2, False)):
        router.submit(ask(number, pinned=pinned))
        placed(router)
        router.leave(found(router, str(number)), 1, answered=True)
        retired = [action for action in router.step(1000.0 * number) if isinstance(action, Retire)]
        assert bool(retired) is not pinned
