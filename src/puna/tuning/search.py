"""What to try, in which order, and what to keep. Plain code: a ``Bench`` measures, and a clock is read.

Each value is compared with the best so far, turn about, so that whatever else the machine does meets both; the middle
ratio decides. A value that is no faster is not taken, and one that costs something only for a clear gain.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean, median
from typing import Any, Protocol

from puna.engine.errors import EngineError, EngineRequestError, ModelLoadError, RunnerCrashedError
from puna.scheduler.tuned import Tuned

_TURNS = 3
_HOPELESS = 0.85
"""A value that is so much slower in its first turn gets no second one."""
_GAIN = 1.03
_CLEAR_GAIN = 1.1
"""What a cache in another format must bring, because it changes answers a little."""
_GUESSING_GAIN = 1.05
_GUESSING_LOSS = 0.95
"""Guessing ahead must bring the one over all tasks, and not fall below the other on any."""
_LEAST_MICRO_BATCH, _LARGEST_MICRO_BATCH = 128, 2048
_GUESSES = ((48, 12), (16, 8), (8, 4))
"""Tokens guessed at a time, and how many must agree before: long and rare, short and often."""
_DRAFT_TOKENS = (8, 3)
_LAST_TURNS = 2
"""Turns of the last comparison, of the result with the beginning."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer to a task went: tokens per second, tokens guessed, and how many of them were right."""

    speed: float
    guessed: int = 0
    accepted: int = 0


class Bench(Protocol):
    """Measures one way to run the model. The measuring methods raise the engine's errors."""

    tasks: tuple[str, ...]
    sample_seconds: float
    """About how long it takes to generate, to read the usual length, or to answer a task."""
    reading_speed: float
    """Tokens of a prompt read per second, about."""
    load_seconds: float

    async def generate(self, how: Tuned) -> float:
        """Return the tokens generated per second."""

    async def read(self, how: Tuned, tokens: int = 0) -> float:
        """Return the tokens of a prompt read per second; ``tokens`` 0 takes the usual length."""

    async def answer(self, how: Tuned, task: str) -> Answer:
        """Return how the answer to a task went, ``speed`` 0 if it was too short to say."""

    async def forget(self, how: Tuned) -> None:
        """Free what it holds for ``how``, which is not needed for now."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be tried. The booleans are false where the user has decided already, or the model does not allow it."""

    threads: tuple[int, ...]
    largest_batch: int
    flash_attention: bool = True
    kv_type: bool = True
    speculation: bool = True
    draft: str = ""
    """The digest of a draft model to try."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison: ``ratio`` is the speed of ``tried`` to that of ``against``; ``ratios`` are those of all turns."""

    setting: str
    tried: str
    against: str
    ratios: tuple[float, ...] = ()
    taken: bool = False
    note: str = ""

    @property
    def ratio(self) -> float:
        """Return the ratio that decided, 0 if nothing could be measured."""
        return median(self.ratios) if self.ratios else 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """The best way found, its speeds as ratios to that of the beginning, and all comparisons."""

    tuned: Tuned
    speeds: Mapping[str, float]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Yardstick:
    """What is compared: a measurement that takes about so many seconds."""

    measure: Callable[[Tuned], Awaitable[float]]
    seconds: float


class Search:
    """A search from ``start`` that ends about ``seconds`` after it begins; ``report`` is told every comparison."""

    def __init__(
        self,
        bench: Bench,
        start: Tuned,
        limits: Limits,
        *,
        seconds: float,
        clock: Callable[[], float],
        report: Callable[[Finding], None],
    ) -> None:
        self._bench = bench
        self._start = self._best = start
        self._limits = limits
        self._clock = clock
        self._end = clock() + seconds
        self._report = report
        self._findings: list[Finding] = []
        each = bench.sample_seconds
        self._generating = _Yardstick(bench.generate, each)
        self._reading = _Yardstick(bench.read, each)
        self._both = _Yardstick(self._read_and_generate, 2 * each)
        self._reserved = _LAST_TURNS * 2 * self._both.seconds

    async def run(self) -> Result:
        """Try everything that time allows."""
        await self._try_threads()
        if self._limits.flash_attention:
            await self._compare("flash attention", "off", "on", self._but(flash_attention=False), self._both)
        await self._try_micro_batches()
        if self._limits.kv_type and self._best.flash_attention is not False:
            await self._compare("cache", "q8_0", "f16", self._but(kv_type="q8_0"), self._both, _CLEAR_GAIN)
        guessing = await self._try_guessing() if self._limits.speculation else {}
        speeds = await self._compare_with_start()
        return Result(self._best, speeds | guessing, tuple(self._findings))

    def _but(self, **values: Any) -> Tuned:
        return replace(self._best, **values)

    async def _read_and_generate(self, how: Tuned) -> float:
        return math.sqrt(await self._bench.generate(how) * await self._bench.read(how))

    async def _try_threads(self) -> None:
        for count in self._limits.threads:
            if count != self._start.threads:
                how = self._but(threads=count)
                await self._compare("threads, generating", str(count), str(self._best.threads), how, self._generating)
        for count in self._limits.threads:
            if count != self._start.threads_batch:
                how = self._but(threads_batch=count)
                await self._compare("threads, reading", str(count), str(self._best.threads_batch), how, self._reading)

    async def _try_micro_batches(self) -> None:
        """Halve the micro batch as long as that is faster, or else double it."""
        for factor in (0.5, 2.0):
            moved = False
            while await self._try_micro_batch(int(self._best.micro_batch * factor)):
                moved = True
            if moved:
                return

    async def _try_micro_batch(self, tokens: int) -> bool:
        if not _LEAST_MICRO_BATCH <= tokens <= min(_LARGEST_MICRO_BATCH, self._limits.largest_batch):
            return False
        length = max(tokens, self._best.micro_batch)  # so that both have a whole one to compute
        reading = _Yardstick(lambda how: self._bench.read(how, length), length / self._bench.reading_speed)
        how = self._but(micro_batch=tokens)
        return await self._compare("micro batch", str(tokens), str(self._best.micro_batch), how, reading)

    async def _compare(
        self, setting: str, tried: str, against: str, candidate: Tuned, yardstick: _Yardstick, gain: float = _GAIN
    ) -> bool:
        """Return whether the candidate is better than the best so far, which it then is itself."""
        ratios: list[float] = []

        async def turn(order: tuple[Tuned, Tuned]) -> float:
            speeds = {how: await yardstick.measure(how) for how in order}
            return speeds[candidate] / speeds[self._best]

        note = await self._take_turns(self._best, candidate, turn, yardstick.seconds, gain, ratios)
        taken = not note and median(ratios) >= gain
        self._found(Finding(setting, tried, against, tuple(ratios), taken, note))
        await self._bench.forget(self._best if taken else candidate)
        if taken:
            self._best = candidate
        return taken

    async def _take_turns(
        self,
        best: Tuned,
        candidate: Tuned,
        turn: Callable[[tuple[Tuned, Tuned]], Awaitable[float]],
        seconds: float,
        gain: float,
        ratios: list[float],
    ) -> str:
        """Add the ratio of each turn to ``ratios`` until they decide; return why that was not possible, else ""."""
        if self._clock() + 4 * seconds + self._bench.load_seconds > self._end - self._reserved:
            return "no time left"
        try:
            while not _decided(ratios, gain):
                # Who begins changes from turn to turn.
                ratios.append(await turn((candidate, best) if len(ratios) % 2 else (best, candidate)))
        except ModelLoadError as error:
            return str(error)
        except (EngineError, EngineRequestError, RunnerCrashedError) as error:
            return f"it fails: {error}"
        return ""

    async def _try_guessing(self) -> dict[str, float]:
        """Take the way of guessing ahead that pays most, if one does, and return its gain."""
        plain, gains = self._best, {}
        for candidate in self._guessers():
            gain = await self._compare_answers(plain, candidate)
            if gain:
                gains[candidate] = gain
            await self._bench.forget(candidate)
        if not gains:
            return {}
        self._best = max(gains, key=lambda how: gains[how])
        return {"guessing": gains[self._best]}

    def _guessers(self) -> Iterator[Tuned]:
        for tokens, match in _GUESSES:
            yield self._but(speculation="ngram-simple", draft_tokens=tokens, draft_match=match)
        for tokens in _DRAFT_TOKENS if self._limits.draft else ():
            yield self._but(speculation="draft-simple", draft=self._limits.draft, draft_tokens=tokens)

    async def _compare_answers(self, plain: Tuned, candidate: Tuned) -> float:
        """Return how much faster answers to all tasks are with guessing, 0 if it does not pay."""
        ratios: list[float] = []
        answers: dict[str, list[tuple[Answer, Answer]]] = {task: [] for task in self._bench.tasks}

        async def turn(order: tuple[Tuned, Tuned]) -> float:
            for task, pairs in answers.items():
                given = {how: await self._bench.answer(how, task) for how in order}
                pairs.append((given[plain], given[candidate]))
            return geometric_mean(_by_task({task: pairs[-1:] for task, pairs in answers.items()}).values() or [1.0])

        seconds = len(answers) * self._bench.sample_seconds
        note = await self._take_turns(plain, candidate, turn, seconds, _GUESSING_GAIN, ratios)
        by_task = _by_task(answers)
        pays = not note and median(ratios) >= _GUESSING_GAIN and min(by_task.values(), default=0.0) >= _GUESSING_LOSS
        if not note:
            note = _account(by_task, [given for pairs in answers.values() for _, given in pairs])
        self._found(Finding("guessing ahead", candidate.guessing, "none", tuple(ratios), pays, note))
        return median(ratios) if pays else 0.0

    def _found(self, finding: Finding) -> None:
        self._findings.append(finding)
        self._report(finding)

    async def _compare_with_start(self) -> dict[str, float]:
        """Return the gains in reading and generating over the beginning; a result that has none is given up."""
        if self._best == self._start:
            return {}
        best = replace(self._best, speculation="", draft="", draft_tokens=0, draft_match=0)
        speeds: dict[str, float] = {}
        for name, measure in (("reading", self._bench.read), ("generating", self._bench.generate)):
            ratios = []
            for _ in range(_LAST_TURNS):
                before = await measure(self._start)
                ratios.append(await measure(best) / before)
            speeds[name] = median(ratios)
        if geometric_mean(speeds.values()) < 1 / _GAIN:
            self._best = self._start
            return {}
        return speeds


def _decided(ratios: Sequence[float], gain: float) -> bool:
    """Return whether further turns are of no use."""
    if len(ratios) == 1:
        return ratios[0] < _HOPELESS
    return len(ratios) >= _TURNS or (len(ratios) == 2 and (ratios[0] >= gain) == (ratios[1] >= gain))


def _by_task(answers: Mapping[str, Sequence[tuple[Answer, Answer]]]) -> dict[str, float]:
    """Return how much faster the second of each pair is, by task; a task with answers too short is left out."""
    return {
        task: median(given.speed / plain.speed for plain, given in pairs)
        for task, pairs in answers.items()
        if pairs and all(plain.speed and given.speed for plain, given in pairs)
    }


def _account(by_task: Mapping[str, float], answers: Iterable[Answer]) -> str:
    guessed = accepted = 0
    for answer in answers:
        guessed += answer.guessed
        accepted += answer.accepted
    tasks = ", ".join(f"{task} {ratio:.2f}" for task, ratio in by_task.items())
    right = f"{accepted} of {guessed} guesses right" if guessed else "nothing guessed"
    return f"{tasks}; {right}" if tasks else "the answers are too short to say"
