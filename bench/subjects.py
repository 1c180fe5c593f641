"""What is measured, and the servers that a part of the suite measures it on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.client import Answer, Client, client, complete
from bench.record import Series
from bench.servers import PunaServer, as_puna, llama_server, portable_engine, puna
from puna.engine.engines import SERVER
from puna.engine.environment import environment

Ask = Callable[[str, int], Awaitable[Answer]]
"""Asks one subject for an answer of so many tokens to a prompt."""
CRIA = "cria"
LLAMA_BENCH = "llama-bench"
AS_PUNA = "llama-server as Puna starts it"
_BUILT_IN = (CRIA,)


@dataclass(frozen=True, slots=True)
class Bench:
    """What to measure with: the files of the models, a directory for Puna's store, and what to compare with.

    ``native`` is a directory with ``llama-server`` and ``llama-bench``, ``plain`` one with those of an llama.cpp that
    has nothing of Puna's in it; ``peers`` are addresses by name.
    """

    models: dict[str, Path]
    home: Path
    native: Path | None = None
    plain: Path | None = None
    peers: dict[str, str] = field(default_factory=dict)
    quick: bool = False

    @property
    def real(self) -> str:
        """Return the smallest model that is as large as real ones, the built-in one if there is no other."""
        return next((name for name in self.models if name != CRIA), CRIA)

    def rounds(self, count: int) -> range:
        """Return the rounds of a measurement; only one where it has to be quick."""
        return range(1 if self.quick else count)

    @property
    def engine(self) -> dict[str, str]:
        """Return the settings that make Puna use the engine under measurement."""
        return {"PUNA_ENGINE": str(self.server)} if self.server else {}

    @property
    def server(self) -> Path | None:
        """Return the llama-server that Puna runs."""
        return self.native / SERVER if self.native else None

    @property
    def alone(self) -> Path | None:
        """Return the directory of the programs to compare with."""
        return self.plain or self.native


class Rounds:
    """Collects the values of one part, round by round."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._values: dict[tuple[str, str, str, str, int], list[float]] = {}

    def add(self, measure: str, subject: str, unit: str, value: float, *, model: str = "", at: int = 0) -> None:
        """Add the value of one round."""
        self._values.setdefault((measure, subject, unit, model, at), []).append(value)

    def answer(self, subject: str, model: str, answer: Answer) -> None:
        """Add the rates of one answer."""
        self.add("prompt", subject, "tokens/s", answer.prompt_rate, model=model)
        self.add("generation", subject, "tokens/s", answer.rate, model=model)

    def series(self) -> list[Series]:
        """Return everything that was collected."""
        return [
            Series(
                part=self._part, measure=measure, subject=subject, unit=unit, values=tuple(values), model=model, at=at
            )
            for (measure, subject, unit, model, at), values in self._values.items()
        ]


def alternating(subjects: list[str], number: int) -> list[str]:
    """Return the subjects in the order of one round: every other one goes backwards."""
    return subjects if number % 2 == 0 else subjects[::-1]


@asynccontextmanager
async def own(bench: Bench, *models: str, **settings: str) -> AsyncIterator[tuple[PunaServer, Client]]:
    """Run Puna with these models, and yield it with a client."""
    with puna(bench.home, **bench.engine, **settings) as server:
        async with client(server.url) as asker:
            for model in models:
                await asker.add_model(model, bench.models[model])
            yield server, asker


def restart(server: PunaServer, asker: Client) -> None:
    """End a server and start it again; its client then asks it at its new address."""
    server.stop()
    server.start()
    asker.url = server.url


@asynccontextmanager
async def peers(bench: Bench, *models: str) -> AsyncIterator[dict[str, Client]]:
    """Give the peers these models, and take away again those that they did not have."""
    async with AsyncExitStack() as stack:
        askers: dict[str, Client] = {}
        for name, url in bench.peers.items():
            asker = await stack.enter_async_context(client(url))
            for model in models:
                if await asker.add_model(model, bench.models[model]):
                    stack.push_async_callback(asker.remove_model, model)
            askers[name] = asker
        yield askers


@asynccontextmanager
async def engine_alone(bench: Bench, model: str) -> AsyncIterator[dict[str, Ask]]:
    """Run what Puna stands on by itself: how to ask it, by the name of the subject.

    A llama-server runs once with its own defaults and once as Puna starts it.
    """
    path = bench.models[model]
    if bench.alone is None:
        async with portable_engine(path) as engine:
            yield {"engine alone": lambda prompt, tokens: complete(engine, prompt, tokens)}
        return
    async with AsyncExitStack() as stack:
        askers: dict[str, Ask] = {}
        server = bench.alone / SERVER
        for name, options, given in (("llama-server", (), None), (AS_PUNA, as_puna(server), environment())):
            url = stack.enter_context(llama_server(server, path, *options, environment=given))
            askers[name] = (await stack.enter_async_context(client(url))).complete
        yield askers


def asks(asker: Client, model: str) -> Ask:
    """Return how to ask a server with Ollama's API."""
    return lambda prompt, tokens: asker.generate(model, prompt, tokens)
