"""What was measured reaches the runner."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from tests.scheduler.conftest import Make, World, request

from puna.engine.config import RunnerConfig
from puna.inference.events import Text
from puna.inference.generate import generate
from puna.models.manifests import MODEL
from puna.scheduler.launch import engine_identity
from puna.scheduler.tuned import Tuned
from puna.scheduler.tuning_store import Measured, TuningKey, TuningStore

GUESSING = Tuned(threads=1, threads_batch=2, micro_batch=128, speculation="ngram-simple", draft_tokens=8, draft_match=4)
NOTHING = {"repeat_penalty": 1}


def store(world: World, tuned: Tuned) -> None:
    key = replace(TuningKey.of(world.cria, engine_identity("")), cores=2)
    results = TuningStore(world.settings.home / "tuning")
    results.put(Measured(key, "cria:latest", tuned, {}, "2026-01-02T03:04:05+00:00"))


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.scheduler.tuning_store.usable_cores", lambda: 2)


def config(world: World) -> RunnerConfig:
    (entry,) = world.scheduler.loaded()
    return entry.config


def values(of: RunnerConfig) -> Tuned:
    return Tuned(
        threads=of.threads,
        threads_batch=of.threads_batch,
        micro_batch=of.micro_batch,
        speculation=of.speculation,
        draft_tokens=of.draft_tokens,
        draft_match=of.draft_match,
    )


async def logprobs(world: World) -> list[float]:
    """Return the log probabilities of an answer that repeats itself, so that there is much to guess."""
    asked = replace(request(world.cria, 24, **NOTHING), logprobs=True, top_logprobs=2)
    entries = []
    async for batch in generate(world.scheduler, asked):
        entries += [entry for event in batch if isinstance(event, Text) for entry in event.logprobs]
    assert all(len(entry.top) == 2 for entry in entries)
    return [entry.chosen.logprob for entry in entries]


async def test_the_runner_is_started_as_measured(
    make: Make, tmp_path: Path, two_cores: None, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    store(world, GUESSING)
    with caplog.at_level(logging.INFO):
        assert await world.say(tokens=32)
    assert values(config(world)) == GUESSING
    assert "cria:latest is loaded as measured: threads 1/2, micro batch 128" in caplog.text


async def test_a_new_result_is_used_from_the_next_load_on(make: Make, tmp_path: Path, two_cores: None) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    await world.say()
    before = config(world)
    store(world, GUESSING)
    await world.say()
    assert config(world) == before
    await world.scheduler.unload(world.cria)
    await world.say()
    assert values(config(world)) == GUESSING


async def test_log_probabilities_are_true_though_the_model_guesses_ahead(
    make: Make, tmp_path: Path, two_cores: None
) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    expected = await logprobs(world)
    assert len(expected) > 16
    await world.scheduler.unload(world.cria)
    store(world, GUESSING)
    await world.say(tokens=1)
    assert config(world).speculation
    async with asyncio.timeout(60):
        found = await logprobs(world)
    assert found == pytest.approx(expected, abs=0.05)
    assert not config(world).speculation
    pid = world.scheduler.loaded()[0].runner.pid
    await world.say()
    assert world.scheduler.loaded()[0].runner.pid == pid  # which serves all others as well


async def test_an_answer_may_be_longer_than_the_context_while_the_model_guesses(
    make: Make, tmp_path: Path, two_cores: None
) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"), OLLAMA_CONTEXT_LENGTH="128", OLLAMA_NUM_PARALLEL="2")
    store(world, replace(GUESSING, threads_batch=1))
    async with asyncio.timeout(60):
        await asyncio.gather(*(world.say(tokens=400, client=name, **NOTHING) for name in "ab"))


async def test_a_draft_model_guesses(make: Make, tmp_path: Path, two_cores: None) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    plain = await world.say(tokens=48)
    await world.scheduler.unload(world.cria)
    digest = world.cria.manifest.of_type(MODEL)[0].digest
    store(world, Tuned(speculation="draft-simple", draft=digest, draft_tokens=4))
    assert await world.say(tokens=48) == plain
    (entry,) = world.scheduler.loaded()
    assert entry.config.draft_path == str(world.cria.path)
    assert entry.warm is None
    body = {"prompt": "The llama", "n_predict": 32, "temperature": 0, "ignore_eos": True}
    timings = (await entry.runner.client.complete(body))["timings"]
    assert timings["draft_n_accepted"] > 0


async def test_what_does_not_load_any_more_is_done_without(
    make: Make, tmp_path: Path, two_cores: None, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    broken = world.library.blobs.directory / ("sha256-" + "0" * 64)
    broken.parent.mkdir(parents=True, exist_ok=True)
    content = world.cria.path.read_bytes()
    broken.write_bytes(content[:400].replace(b"llama", b"lxama") + content[400:])
    store(world, Tuned(speculation="draft-simple", draft="sha256:" + "0" * 64, draft_tokens=4))
    assert await world.say()
    assert config(world).draft_path == ""
