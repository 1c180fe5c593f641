"""Models that stay in memory: nobody takes their room, and nobody waits for it in vain."""

import pytest
from tests.conftest import Serve
from tests.server import World, wait_for

from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint, OutOfMemoryError, PinnedError
from puna.scheduler.policy import Load, Policy, Refuse, Resident, Start, Unload
from puna.scheduler.queue import Ticket

GIB = 1 << 30


class Machine:
    """A machine for models of some GiB each; loads and answers take no time."""

    def __init__(self, gib: float, max_models: int = 0) -> None:
        self.policy = Policy(capacity=lambda: int(gib * GIB / 0.85) + 1, max_queue=10, max_models=max_models)
        self.log: list[str] = []
        self.now = 0.0

    def ask(self, model: str, gib: float, *, pinned: bool = False) -> None:
        footprint = Footprint(int(gib * GIB) - (64 << 20), 0, 8192)
        demand = Demand(footprint, 1024, 1, model=model, pinned=pinned)
        self.policy.submit(Ticket(model, "", model, demand, self.now))
        for _ in range(4):
            self.now += 100
            for action in self.policy.step(self.now):
                self.do(action)

    def do(self, action: object) -> None:
        match action:
            case Load(_, Resident() as resident):
                self.log.append(f"+{resident.key}")
                self.policy.loaded(resident, 0, self.now, 0.0)
            case Unload(resident):
                self.log.append(f"-{resident.key}")
                self.policy.gone(resident)
            case Start(_, resident):
                self.policy.finished(resident, self.now, 0.1)
            case Refuse(_, error):
                self.log.append(type(error).__name__)


def test_pinned_model_is_never_the_one_that_leaves() -> None:
    machine = Machine(10)
    machine.ask("pinned", 4, pinned=True)
    machine.ask("other", 4)
    machine.ask("third", 5)
    assert machine.log == ["+pinned", "+other", "-other", "+third"]
    assert machine.policy.squeeze(machine.policy.residents["third"], shrink=False) == []


def test_what_does_not_fit_beside_it_is_refused() -> None:
    machine = Machine(10)
    machine.ask("pinned", 6, pinned=True)
    machine.ask("large", 6)
    assert machine.log == ["+pinned", "OutOfMemoryError"]
    with pytest.raises(OutOfMemoryError, match="than is available"):
        machine.policy.check(Demand(Footprint(6 * GIB, 0, 8192), 1024, 1, model="large"))
    machine.ask("pinned", 6, pinned=True)
    assert machine.log == ["+pinned", "OutOfMemoryError"], "itself it is not in the way of"


def test_as_many_pinned_as_there_may_be_models() -> None:
    machine = Machine(10, max_models=1)
    machine.ask("pinned", 1, pinned=True)
    machine.ask("other", 1)
    assert machine.log == ["+pinned", "PinnedError"]
    with pytest.raises(PinnedError, match="all 1 models"):
        machine.policy.check(Demand(Footprint(GIB, 0, 8192), 1024, 1, model="other"))


def test_pinned_model_of_a_server(serve: Serve) -> None:
    world = World({"OLLAMA_MAX_LOADED_MODELS": "1"})
    path = world.home / "puna.toml"
    path.write_text('[model.cria]\npinned = true\nengine = "nowhere"\n')
    world.environment["PUNA_CONFIG"] = str(path)
    server = serve(world=world)
    server.stream("/api/create", {"model": "other", "from": "cria", "parameters": {"seed": 1}})
    ask = {"prompt": "x", "stream": False, "options": {"num_predict": 1}}
    server.ask("/api/generate", ask | {"model": "other"})
    server.ask("/api/generate", ask | {"model": "cria", "keep_alive": 0})
    assert list(server.loaded()) == ["cria:latest"], "until it is there, others may be"
    assert server.loaded()["cria:latest"]["expires_at"] > "2300"
    assert "nowhere" in server.log(), "an engine that is not there is named"
    answer = server.post("/api/generate", ask | {"model": "other"})
    assert (answer.status_code, "pinned" in answer.text) == (503, True)
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0, "stream": False})
    wait_for(lambda: not server.loaded(), what="the model to leave when it is stopped")
    server.ask("/api/generate", ask | {"model": "other"})
