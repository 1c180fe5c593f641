"""A scheduler with real runners of the built-in model, under names that make it several."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from tests.server import is_runner

from puna.inference.events import Text
from puna.inference.generate import generate
from puna.inference.options import Options
from puna.inference.requests import Completion, GenerationRequest
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.model import Model
from puna.names import parse_name
from puna.scheduler.lease import Caller
from puna.scheduler.lender import Lender
from puna.settings import Settings


class World:
    """One scheduler, its models, and what it left behind."""

    def __init__(self, store: Path, settings: dict[str, str]) -> None:
        self.settings = Settings.from_env({"OLLAMA_MODELS": str(store), "OLLAMA_CONTEXT_LENGTH": "512"} | settings)
        self.library = Library(self.settings.models)
        self.directory = Path(tempfile.mkdtemp(prefix="pt-"))
        self.scheduler = Lender(self.settings, self.directory)
        self.cria = self.library.get("cria")
        self._before = set(psutil.Process().children())  # other tests' that nobody has taken note of yet

    def another(self, name: str) -> Model:
        """Return a model of its own made of the same weights."""
        create(self.library, parse_name(name), Recipe(base=self.cria.name, system=name), lambda _: None, lambda: False)
        return self.library.get(name)

    async def say(
        self,
        model: Model | None = None,
        *,
        tokens: int = 8,
        client: str = "",
        caller: Caller | None = None,
        **options: int,
    ) -> str:
        """Return what the model goes on with."""
        pieces: list[str] = []
        asked = request(model or self.cria, tokens, **options)
        async for batch in generate(self.scheduler, asked, caller=caller or Caller(client=client)):
            pieces += [event.text for event in batch if isinstance(event, Text)]
        return "".join(pieces)

    def processes(self) -> list[psutil.Process]:
        """Return the runners of this process."""
        children = psutil.Process().children()
        return [child for child in children if child not in self._before and _is_runner(child)]


def _is_runner(process: psutil.Process) -> bool:
    try:
        return is_runner(process)
    except psutil.ZombieProcess:
        return True  # it has ended and somebody has to take note of it
    except psutil.NoSuchProcess:
        return False


KNOWN = "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n"
"""A prompt whose answer cria knows by heart: no two of its words are as likely, so that rounding changes none."""


def request(model: Model, tokens: int, **options: int) -> GenerationRequest:
    """Return a request for ``tokens`` tokens that no end of text cuts short."""
    merged = Options.merge({"temperature": 0, "num_predict": tokens, "ignore_eos": True}, options)
    return GenerationRequest(model=model, name=str(model.name), input=Completion(prompt=KNOWN), options=merged)


async def until(look: Callable[[], object], seconds: float = 60) -> None:
    """Return when ``look`` is true; fail when it does not become so in time."""
    async with asyncio.timeout(seconds):
        while not look():
            await asyncio.sleep(0.01)


Make = Callable[..., World]


def pids(world: World) -> list[int]:
    """Return the processes of the models in memory."""
    return [entry.runner.pid for entry in world.scheduler.loaded()]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """A function that makes a world with settings; everything must be gone at its end."""
    worlds: list[World] = []

    def start(**settings: str) -> World:
        worlds.append(World(tmp_path / "models", settings))
        return worlds[-1]

    yield start
    for world in worlds:
        await world.scheduler.close()
    for world in worlds:
        assert not world.processes()
        assert not list(world.directory.iterdir())
        assert not world.scheduler.requests()
        shutil.rmtree(world.directory)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "puna" in repr(task)]
