"""What to try, in which order, and what to keep. Plain code: a ``Bench`` measures, and a clock is read.

Each value is compared with the best so far, turn about, so that whatever else the machine does meets both. A value that
is no faster is not taken, and one that costs something only for a clear gain.
"""

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import geometric_mean
from typing import Any, Protocol, TypeVar

from puna.engine.errors import EngineError, EngineRequestError, ModelLoadError, RunnerCrashedError
from puna.scheduler.tuned import Tuned
from puna.tuning.race import Race

T = TypeVar("T")
NO_TIME = "no time left"
"""The note of a comparison that was not made, or not to its end, because the time was over."""
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
_LAST_TURNS = 3
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

    async def follow(self, how: Tuned) -> float:
        """Return the mean of the tokens read and generated per second in the next turn of a long conversation."""

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
    drafting: str = ""
    """The way in which it guesses, or layers of the model itself do; "" for that of any smaller model."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison: ``ratio`` is the speed of ``tried`` to that of ``against``, ``ratios`` are those of all turns.

    Without any turn, ``note`` says why.
    """

    setting: str
    tried: str
    against: str
    ratio: float = 0.0
    ratios: tuple[float, ...] = ()
    taken: bool = False
    note: str = ""


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


class _TimeIsOverError(Exception):
    """No further measurement may begin."""


class Search:
    """A search from ``start`` that ends at most one measurement later than ``seconds`` after it begins.

    ``report`` is told every comparison.
    """

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
        self._generating = _Yardstick(self._generate, each)
        self._reading = _Yardstick(self._read, each)
        self._all = _Yardstick(self._everything, 4 * each)

    async def run(self) -> Result:
        """Try everything that time allows."""
        await self._try_threads()
        guessing = await self._try_guessing() if self._limits.speculation else {}
        guesser, self._best = self._best, self._best.plain()
        await self._try_micro_batches()
        if self._limits.flash_attention:
            await self._try_other_attention()
        if self._limits.kv_type:
            how = self._but(kv_type="q8_0", flash_attention=None)  # without flash attention it cannot be
            await self._compare("cache", "q8_0", "f16", how, self._all, _CLEAR_GAIN)
        speeds = await self._compare_with_start()
        best = self._but(
            speculation=guesser.speculation,
            draft=guesser.draft,
            draft_tokens=guesser.draft_tokens,
            draft_match=guesser.draft_match,
        )
        return Result(best, speeds | guessing, tuple(self._findings))

    @property
    def _deadline(self) -> float:
        """Return until when there is time for comparisons; if something was taken, the last one needs some as well."""
        return self._end - (0.0 if self._best.plain() == self._start else _LAST_TURNS * 2 * self._all.seconds)

    def _but(self, **values: Any) -> Tuned:
        return replace(self._best, **values)

    async def _everything(self, how: Tuned) -> float:
        """Return the mean speed of a short conversation and of the next turn of a long one."""
        short = math.sqrt(await self._generate(how) * await self._read(how))
        return math.sqrt(short * await self._follow(how))

    async def _in_time(self, measure: Callable[[], Awaitable[T]]) -> T:
        if self._clock() > self._end:
            raise _TimeIsOverError
        return await measure()

    async def _generate(self, how: Tuned) -> float:
        return await self._in_time(lambda: self._bench.generate(how))

    async def _read(self, how: Tuned, tokens: int = 0) -> float:
        return await self._in_time(lambda: self._bench.read(how, tokens))

    async def _follow(self, how: Tuned) -> float:
        return await self._in_time(lambda: self._bench.follow(how))

    async def _answer(self, how: Tuned, task: str) -> Answer:
        return await self._in_time(lambda: self._bench.answer(how, task))

    async def _try_other_attention(self) -> None:
        off = self._best.flash_attention is False
        tried, against = ("on", "off") if off else ("off", "on")
        await self._compare("flash attention", tried, against, self._but(flash_attention=off), self._all)

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
        reading = _Yardstick(lambda how: self._read(how, length), length / self._bench.reading_speed)
        how = self._but(micro_batch=tokens)
        return await self._compare("micro batch", str(tokens), str(self._best.micro_batch), how, reading)

    async def _compare(
        self, setting: str, tried: str, against: str, candidate: Tuned, yardstick: _Yardstick, gain: float = _GAIN
    ) -> bool:
        """Return whether the candidate is better than the best so far, which it then is itself."""
        race, best = Race(), self._best

        async def turn(order: tuple[Tuned, Tuned]) -> bool:
            speeds = {how: await yardstick.measure(how) for how in order}
            race.add(speeds[best], speeds[candidate])
            return race.decided(gain)

        note = await self._take_turns(candidate, turn, yardstick.seconds)
        taken = not note and race.ratio >= gain
        self._found(Finding(setting, tried, against, race.ratio, race.ratios, taken, note))
        await self._bench.forget(best if taken else candidate)
        if taken:
            self._best = candidate
        return taken

    async def _take_turns(
        self, candidate: Tuned, turn: Callable[[tuple[Tuned, Tuned]], Awaitable[bool]], seconds: float
    ) -> str:
        """Call ``turn`` until it is decided; return why that was not possible, else "".

        It is told who begins; that changes from turn to turn. One side of a turn takes about so many ``seconds``.
        """
        if self._clock() + 4 * seconds + self._bench.load_seconds > self._deadline:
            return NO_TIME
        order = (self._best, candidate)
        try:
            while not await turn(order):
                if self._clock() > self._deadline:
                    return NO_TIME
                order = order[::-1]
        except _TimeIsOverError:
            return NO_TIME
        except ModelLoadError as error:
            return str(error)
        except (EngineError, EngineRequestError, RunnerCrashedError) as error:
            return f"it fails: {error}"
        return ""

    async def _try_guessing(self) -> dict[str, float]:
        """Take the way of guessing ahead that pays most, if one does, and return its gain."""
        gains: dict[Tuned, float] = {}
        for candidate in self._guessers():
            gain = await self._compare_answers(candidate)
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
        way = self._limits.drafting or ("draft-simple" if self._limits.draft else "")
        for tokens in _DRAFT_TOKENS if way else ():
            yield self._but(speculation=way, draft=self._limits.draft, draft_tokens=tokens)

    async def _compare_answers(self, candidate: Tuned) -> float:
        """Return how much faster answers to all tasks are with guessing, 0 if it does not pay."""
        plain, whole = self._best, Race()
        races = {task: Race() for task in self._bench.tasks}
        answers: list[Answer] = []

        async def turn(order: tuple[Tuned, Tuned]) -> bool:
            ratios = []
            for task, race in races.items():
                given = {how: await self._answer(how, task) for how in order}
                answers.append(given[candidate])
                if given[plain].speed and given[candidate].speed:
                    race.add(given[plain].speed, given[candidate].speed)
                    ratios.append(race.ratios[-1])
            whole.add(1.0, geometric_mean(ratios or [1.0]))
            return whole.decided(_GUESSING_GAIN) or not any(answer.guessed for answer in answers)

        note = await self._take_turns(candidate, turn, len(races) * self._bench.sample_seconds)
        by_task = {task: race.ratio for task, race in races.items() if race.new}
        ratio = geometric_mean(by_task.values()) if by_task else 0.0
        right = sum(answer.accepted for answer in answers)
        pays = not note and right > 0 and ratio >= _GUESSING_GAIN and min(by_task.values()) >= _GUESSING_LOSS
        note = note or _account(by_task, answers)
        self._found(Finding("guessing ahead", candidate.guessing, "none", ratio, whole.ratios, pays, note))
        return ratio if pays else 0.0

    def _found(self, finding: Finding) -> None:
        self._findings.append(finding)
        self._report(finding)

    async def _compare_with_start(self) -> dict[str, float]:
        """Return the gains over the beginning; if there is none, all is left as it was."""
        if self._best == self._start:
            return {}
        reading, generating, following = Race(), Race(), Race()
        with contextlib.suppress(_TimeIsOverError):
            for _ in range(_LAST_TURNS):
                reading.add(await self._read(self._start), await self._read(self._best))
                generating.add(await self._generate(self._start), await self._generate(self._best))
                following.add(await self._follow(self._start), await self._follow(self._best))
        if not following.new:  # what single comparisons found stands, and was not measured as a whole
            self._found(Finding("all of it", "the result", "the beginning", note=NO_TIME))
            return {}
        if reading.ratio * generating.ratio * following.ratio**2 < 1 / _GAIN**4:
            self._best = self._start
            return {}
        return {"reading": reading.ratio, "generating": generating.ratio, "next turn": following.ratio}


def _account(by_task: Mapping[str, float], answers: Iterable[Answer]) -> str:
    guessed = accepted = 0
    for answer in answers:
        guessed += answer.guessed
        accepted += answer.accepted
    tasks = ", ".join(f"{task} {ratio:.2f}" for task, ratio in by_task.items())
    right = f"{accepted} of {guessed} guesses right" if guessed else "nothing guessed"
    return f"{tasks}; {right}" if tasks else "the answers are too short to say"
