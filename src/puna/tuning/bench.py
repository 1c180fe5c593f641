"""Measures with real runners, two at a time where memory allows, so that they can be compared turn about."""

import asyncio
import math
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from puna.engine.config import RunnerConfig
from puna.engine.errors import EngineError
from puna.engine.place import remove_abandoned
from puna.engine.protocol import Route
from puna.engine.runner import Runner
from puna.inference.generate import check
from puna.inference.options import Options
from puna.inference.prepare import prepare
from puna.inference.requests import Conversation, GenerationRequest, Message
from puna.models.model import Model
from puna.scheduler.tuned import Tuned
from puna.tuning.search import Answer
from puna.tuning.texts import CODE, PROSE, TASKS

_FIRST_PROMPT, _FIRST_ANSWER = 96, 16
"""Tokens of the first, rough measurement."""
_SHORTEST_PROMPT, _SHORTEST_ANSWER = 64, 16
_LONGEST_ANSWER = 192
_PROMPT_TO_GENERATE = 64
_TURN = 34
"""Tokens of the next turn of a long conversation: fewer than an engine's ways to read prompts are made for."""
_LONG_SAMPLES, _SHORTEST_LONG, _LONGEST_LONG = 8, 256, 2000
"""How many samples' time it takes to read a long conversation, and bounds of its tokens."""
_PATIENCE, _LEAST_PATIENCE = 5, 1.0
"""How much longer than at first a measurement may take, and seconds beside: threads that get in each other's way can
take a hundred times as long.
"""
_TOO_SHORT = 8
"""Answers of fewer tokens say nothing about speed."""


class RunnerBench:
    """Runners of one model, started as they are wanted: ``most`` of them at a time.

    ``configure`` makes a configuration of what is to be measured. One measurement takes about ``sample_seconds``.
    Used as a context manager; at its end all runners have ended.
    """

    tasks = tuple(TASKS)

    def __init__(
        self,
        model: Model,
        configure: Callable[[Tuned], RunnerConfig],
        *,
        most: int,
        sample_seconds: float,
        load_timeout: float,
    ) -> None:
        self.sample_seconds = sample_seconds
        self.reading_speed = self.load_seconds = self._generating_speed = 0.0
        self._model = model
        self._configure = configure
        self._most = most
        self._load_timeout = load_timeout
        self._directory = Path(tempfile.gettempdir())
        self._runners: OrderedDict[RunnerConfig, Runner] = OrderedDict()
        self._text: list[int] = []
        self._read = 0
        self._prompt_tokens = _FIRST_PROMPT
        self._answer_tokens = _FIRST_ANSWER
        self._long = _SHORTEST_LONG

    async def __aenter__(self) -> "RunnerBench":
        remove_abandoned(self._directory)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        while self._runners:
            _, last = self._runners.popitem()
            await last.stop()

    async def begin(self, how: Tuned) -> None:
        """Find out roughly how fast the machine is, and so how much to measure with; needed before all else."""
        runner = await self._runner(how)
        self._text = await runner.client.tokenize(PROSE + CODE, special=False)
        self.reading_speed = await self.read(how)
        self._generating_speed = await self.generate(how)
        context = self._configure(how).context
        self._prompt_tokens = _within(self.reading_speed * self.sample_seconds, _SHORTEST_PROMPT, context // 2)
        wanted = self.reading_speed * self.sample_seconds * _LONG_SAMPLES
        self._long = _within(wanted, _SHORTEST_LONG, min(_LONGEST_LONG, context // 2))
        wanted = self._generating_speed * self.sample_seconds
        self._answer_tokens = _within(wanted, _SHORTEST_ANSWER, min(_LONGEST_ANSWER, context // 4))

    async def read(self, how: Tuned, tokens: int = 0) -> float:
        """Return the tokens of a prompt read per second."""
        tokens = min(tokens or self._prompt_tokens, self._configure(how).context - _FIRST_ANSWER)
        expected = tokens / self.reading_speed if self.reading_speed else math.inf
        timings = await self._complete(how, self._tokens(tokens), 1, expected)
        return _speed(timings, "prompt") if timings else tokens / (_PATIENCE * expected)

    async def generate(self, how: Tuned) -> float:
        """Return the tokens generated per second."""
        expected = self._answer_tokens / self._generating_speed if self._generating_speed else math.inf
        timings = await self._complete(how, self._tokens(_PROMPT_TO_GENERATE), self._answer_tokens, expected)
        return _speed(timings, "predicted") if timings else self._answer_tokens / (_PATIENCE * expected)

    async def follow(self, how: Tuned) -> float:
        """Return the mean of the tokens read and generated per second in the next turn of a long conversation."""
        earlier = (self._text * (self._long // len(self._text) + 1))[: self._long]
        if not await self._complete(how, earlier, 1, self._long / self.reading_speed, cached=True):
            return math.sqrt(self.reading_speed * self._generating_speed) / _PATIENCE
        expected = _TURN / self.reading_speed + _FIRST_ANSWER / self._generating_speed
        turn = [*earlier, *self._tokens(_TURN)]
        timings = await self._complete(how, turn, _FIRST_ANSWER, expected, cached=True)
        if not timings:
            return math.sqrt(self.reading_speed * self._generating_speed) / _PATIENCE
        return math.sqrt(_speed(timings, "prompt") * _speed(timings, "predicted"))

    async def answer(self, how: Tuned, task: str) -> Answer:
        """Return how the answer to a task went. Its prompt is read in the first turn only."""
        runner = await self._runner(how)
        request = GenerationRequest(
            model=self._model,
            name=str(self._model.name),
            input=Conversation(messages=(Message(role="user", content=TASKS[task]),)),
            options=Options.merge(self._model.parameters, {"temperature": 0, "num_predict": self._answer_tokens}),
        )
        prepared = await prepare(check(request), runner.client, runner.config.context)
        expected = self._answer_tokens / self._generating_speed + len(TASKS[task]) / self.reading_speed
        timings = await self._timings(runner, prepared.route, prepared.body | {"stream": False}, expected)
        if not timings:
            return Answer(self._answer_tokens / (_PATIENCE * expected))
        speed = _speed(timings, "predicted") if timings["predicted_n"] >= _TOO_SHORT else 0.0
        return Answer(speed, timings.get("draft_n", 0), timings.get("draft_n_accepted", 0))

    async def forget(self, how: Tuned) -> None:
        """End the runner for ``how``."""
        runner = self._runners.pop(self._configure(how), None)
        if runner:
            await runner.stop()

    async def _complete(
        self, how: Tuned, prompt: list[int], answer: int, expected: float, *, cached: bool = False
    ) -> dict[str, Any]:
        runner = await self._runner(how)
        body = {
            "prompt": prompt,
            "n_predict": answer,
            "ignore_eos": True,
            "temperature": 0,
            "cache_prompt": cached,
        }
        return await self._timings(runner, Route.COMPLETION, body, expected)

    async def _timings(self, runner: Runner, route: Route, body: dict[str, Any], expected: float) -> dict[str, Any]:
        """Return the engine's timings, nothing if it takes much longer than the ``expected`` seconds."""
        try:
            async with asyncio.timeout(None if math.isinf(expected) else _LEAST_PATIENCE + _PATIENCE * expected):
                timings: dict[str, Any] = (await runner.client.complete(body, route))["timings"]
        except TimeoutError:
            return {}
        return timings

    def _tokens(self, count: int) -> list[int]:
        """Return so many tokens of the text, from another place each time."""
        self._read += 1
        start = self._read * 7 % len(self._text)
        tokens = self._text[start:]
        while len(tokens) < count:
            tokens = tokens + self._text
        return tokens[:count]

    async def _runner(self, how: Tuned) -> Runner:
        config = self._configure(how)
        runner = self._runners.get(config)
        if runner is None:
            while len(self._runners) >= self._most:
                _, oldest = self._runners.popitem(last=False)
                await oldest.stop()
            runner = await self._start(config)
        self._runners.move_to_end(config)
        return runner

    async def _start(self, config: RunnerConfig) -> Runner:
        started = time.monotonic()
        name = str(self._model.name)
        runner = await Runner.start(name, config, self._directory, load_timeout=self._load_timeout)
        self._runners[config] = runner
        first = {"prompt": PROSE[:_FIRST_PROMPT], "n_predict": 2, "cache_prompt": False}
        await runner.client.complete(first)  # brings the weights into memory
        self.load_seconds = time.monotonic() - started
        return runner


def _within(value: float, least: int, most: int) -> int:
    return max(min(least, most), min(int(value), most))


def _speed(timings: dict[str, Any], kind: str) -> float:
    """Return tokens per second, more than 0."""
    speed = float(timings[f"{kind}_per_second"] or 0)
    if speed <= 0:
        raise EngineError("the engine measured no time")
    return speed
