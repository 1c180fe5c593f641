"""What is tried and kept, with a bench that knows how fast everything is and takes no time."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from puna.engine.errors import ModelLoadError, RunnerCrashedError
from puna.scheduler.tuned import Tuned
from puna.tuning.search import Answer, Finding, Limits, Result, Search

START = Tuned(threads=4, threads_batch=4, micro_batch=512)
LIMITS = Limits(threads=(1, 2, 4, 8), largest_batch=4096)
DRAFT = "sha256:" + "d" * 64


class FakeBench:
    """Speeds are products of factors: ``reading`` and ``generating`` say what a value is worth."""

    tasks = ("copy", "edit", "chat")
    sample_seconds = 1.0
    reading_speed = 100.0
    load_seconds = 2.0

    def __init__(
        self,
        *,
        generating: Callable[[Tuned], float] = lambda how: 1,
        reading: Callable[[Tuned], float] = lambda how: 1,
        following: Callable[[Tuned], float] | None = None,
        answering: Mapping[tuple[str, int], Mapping[str, float]] | None = None,
        broken: Callable[[Tuned], bool] = lambda how: False,
        accepted: int = 9,
    ) -> None:
        self.now = 0.0
        self.held: set[Tuned] = set()
        self.measured: list[Tuned] = []
        self._generating, self._reading, self._broken = generating, reading, broken
        self._following = following
        self._answering = answering or {}
        self._accepted = accepted

    def clock(self) -> float:
        return self.now

    def _use(self, how: Tuned, seconds: float) -> None:
        if how not in self.held:
            if self._broken(how):
                raise ModelLoadError("it does not load")
            self.now += self.load_seconds
            self.held.add(how)
        self.measured.append(how)
        self.now += seconds

    async def generate(self, how: Tuned) -> float:
        self._use(how, self.sample_seconds)
        return 40 * self._generating(how)

    async def read(self, how: Tuned, tokens: int = 0) -> float:
        self._use(how, tokens / self.reading_speed or self.sample_seconds)
        return 100 * self._reading(how)

    async def follow(self, how: Tuned) -> float:
        self._use(how, self.sample_seconds)
        return 60 * (self._following or self._generating)(how)

    async def answer(self, how: Tuned, task: str) -> Answer:
        self._use(how, self.sample_seconds)
        gain = self._answering.get((how.speculation, how.draft_tokens), {}).get(task, 1.0)
        return Answer(
            40 * gain, guessed=10 if how.speculation else 0, accepted=self._accepted if how.speculation else 0
        )

    async def forget(self, how: Tuned) -> None:
        self.held.discard(how)


async def search(bench: FakeBench, limits: Limits = LIMITS, *, start: Tuned = START, seconds: float = 1e6) -> Result:
    told: list[Finding] = []
    result = await Search(bench, start, limits, seconds=seconds, clock=bench.clock, report=told.append).run()
    assert told == list(result.findings)
    return result


def found(result: Result, setting: str) -> list[Finding]:
    return [finding for finding in result.findings if finding.setting == setting]


async def test_nothing_changes_where_nothing_is_faster() -> None:
    result = await search(FakeBench())
    assert result.tuned == START
    assert result.speeds == {}
    assert not any(finding.taken for finding in result.findings)


async def test_the_best_number_of_threads_is_found_for_each_work() -> None:
    bench = FakeBench(
        generating=lambda how: {1: 0.5, 2: 1.2, 4: 1, 8: 0.7}[how.threads],
        reading=lambda how: how.threads_batch,
    )
    result = await search(bench)
    assert (result.tuned.threads, result.tuned.threads_batch) == (2, 8)
    assert result.speeds == pytest.approx({"reading": 2, "generating": 1.2, "next turn": 1.2})


async def test_a_gain_within_the_noise_is_not_taken() -> None:
    assert (await search(FakeBench(generating=lambda how: 1.02 if how.threads == 2 else 1))).tuned == START


@pytest.mark.parametrize(("best", "tried"), [(128, [256, 128]), (512, [256, 1024]), (2048, [256, 1024, 2048])])
async def test_micro_batches_are_climbed_in_one_direction(best: int, tried: list[int]) -> None:
    bench = FakeBench(reading=lambda how: 1 - abs(how.micro_batch.bit_length() - best.bit_length()) / 10)
    result = await search(bench)
    assert result.tuned.micro_batch == best
    assert [int(finding.tried) for finding in found(result, "micro batch")] == tried


async def test_no_micro_batch_over_the_largest_is_tried() -> None:
    result = await search(FakeBench(reading=lambda how: how.micro_batch), replace(LIMITS, largest_batch=1024))
    assert result.tuned.micro_batch == 1024


@pytest.mark.parametrize(("gain", "kept"), [(1.08, ""), (1.2, "q8_0")])
async def test_a_cache_in_another_format_needs_a_clear_gain(gain: float, kept: str) -> None:
    def speed(how: Tuned) -> float:
        return gain if how.kv_type == "q8_0" else 1

    assert (await search(FakeBench(reading=speed, generating=speed))).tuned.kv_type == kept


async def test_a_cache_that_needs_flash_attention_keeps_it() -> None:
    def speed(how: Tuned) -> float:
        return 1.5 if how.kv_type else 1.2 if how.flash_attention is False else 1

    result = await search(FakeBench(reading=speed, generating=speed))
    assert (result.tuned.kv_type, result.tuned.flash_attention) == ("q8_0", None)


async def test_flash_attention_goes_where_it_is_slower() -> None:
    def speed(how: Tuned) -> float:
        return 1.2 if how.flash_attention is False else 1

    assert (await search(FakeBench(reading=speed, generating=speed))).tuned.flash_attention is False


@pytest.mark.parametrize(
    ("start", "on_is_faster", "tried"), [(None, False, "off"), (False, True, "on"), (False, False, "on")]
)
async def test_attention_is_chosen_by_the_next_turn_of_a_long_conversation(
    start: bool | None, on_is_faster: bool, tried: str
) -> None:
    bench = FakeBench(following=lambda how: 1 if (how.flash_attention is False) is on_is_faster else 1.3)
    result = await search(bench, start=replace(START, flash_attention=start))
    assert (result.tuned.flash_attention is False) is not on_is_faster
    assert [finding.tried for finding in found(result, "flash attention")] == [tried]


async def test_what_the_user_has_decided_is_not_tried() -> None:
    limits = replace(LIMITS, flash_attention=False, kv_type=False, speculation=False)
    settings = {finding.setting for finding in (await search(FakeBench(), limits)).findings}
    assert settings == {"threads, generating", "threads, reading", "micro batch"}


async def test_guessing_that_pays_most_is_kept() -> None:
    answering = {
        ("ngram-simple", 48): {"copy": 1.5, "edit": 1.2},
        ("ngram-simple", 16): {"copy": 2.0, "edit": 1.6, "chat": 0.97},
        ("ngram-simple", 8): {"copy": 1.2},
    }
    result = await search(FakeBench(answering=answering))
    assert (result.tuned.speculation, result.tuned.draft_tokens, result.tuned.draft_match) == ("ngram-simple", 16, 8)
    assert result.speeds["guessing"] == pytest.approx((2.0 * 1.6 * 0.97) ** (1 / 3))
    note = found(result, "guessing ahead")[1].note
    assert note.startswith("copy 2.00, edit 1.60, chat 0.97; ")
    assert note.endswith(" guesses right")


@pytest.mark.parametrize(
    "gains", [{"copy": 3.0, "edit": 1.5, "chat": 0.9}, {"copy": 1.1}], ids=["much slower on one", "hardly faster"]
)
async def test_guessing_that_does_not_pay_is_not_kept(gains: dict[str, float]) -> None:
    answering = {("ngram-simple", tokens): gains for tokens in (48, 16, 8)}
    result = await search(FakeBench(answering=answering))
    assert result.tuned == START


async def test_guessing_that_never_guesses_right_is_not_what_was_faster() -> None:
    answering = {("ngram-simple", 48): {"copy": 2.0, "edit": 2.0, "chat": 2.0}}
    assert (await search(FakeBench(answering=answering, accepted=0))).tuned == START


async def test_a_draft_model_is_tried_where_there_is_one() -> None:
    answering = {("draft-simple", 8): {"copy": 1.5, "edit": 1.5, "chat": 1.5}}
    assert (await search(FakeBench(answering=answering))).tuned == START
    tuned = (await search(FakeBench(answering=answering), replace(LIMITS, draft=DRAFT))).tuned
    assert (tuned.speculation, tuned.draft, tuned.draft_tokens) == ("draft-simple", DRAFT, 8)
    assert Tuned.parse({name: getattr(tuned, name) for name in Tuned.__dataclass_fields__}) == tuned


async def test_what_does_not_load_is_told_and_not_taken() -> None:
    result = await search(FakeBench(broken=lambda how: how.threads == 8, generating=lambda how: how.threads))
    assert result.tuned.threads == 4
    assert [finding.note for finding in found(result, "threads, generating")][-1] == "it does not load"


async def test_what_crashes_is_told_and_not_taken() -> None:
    class Crashing(FakeBench):
        async def read(self, how: Tuned, tokens: int = 0) -> float:
            if how.kv_type:
                raise RunnerCrashedError("the runner stopped")
            return await super().read(how, tokens)

    result = await search(Crashing(generating=lambda how: 5 if how.kv_type else 1))
    assert result.tuned == START
    assert found(result, "cache")[0].note == "it fails: the runner stopped"


async def test_a_result_that_does_not_hold_is_given_up() -> None:
    class Changing(FakeBench):
        """A machine that was disturbed at first."""

        async def generate(self, how: Tuned) -> float:
            speed = await super().generate(how)
            return speed * 2 if how.threads == 1 and self.now < 30 else speed / 2 if how.threads == 1 else speed

    bench = Changing()
    result = await search(bench, replace(LIMITS, threads=(1, 4)))
    assert found(result, "threads, generating")[0].taken
    assert result.tuned == START


@pytest.mark.parametrize("seconds", [0, 10, 30, 60, 120, 300])
async def test_it_ends_on_time(seconds: float) -> None:
    bench = FakeBench(reading=lambda how: how.micro_batch, generating=lambda how: how.threads)
    result = await search(bench, replace(LIMITS, draft=DRAFT), seconds=seconds)
    longest = 2 * bench.load_seconds + 12 * bench.sample_seconds  # the last comparison, whatever time is left
    assert bench.now <= max(seconds, longest) + 10
    if seconds < 60:
        assert "no time left" in {finding.note for finding in result.findings}


async def test_what_has_lost_is_not_held_any_longer() -> None:
    bench = FakeBench(generating=lambda how: how.threads, reading=lambda how: how.micro_batch)
    result = await search(bench, replace(LIMITS, draft=DRAFT))
    assert bench.held == {START, result.tuned}


async def test_who_begins_changes_from_turn_to_turn() -> None:
    bench = FakeBench()
    await search(bench, Limits(threads=(2, 4), largest_batch=512, flash_attention=False, kv_type=False))
    other = replace(START, threads=2)
    assert bench.measured[:4] == [START, other, other, START]
