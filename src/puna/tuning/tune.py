"""Measures one model and says what was found."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psutil

from puna.engine.config import RunnerConfig
from puna.errors import BadRequestError
from puna.models.drafts import vocabulary
from puna.models.manifests import MODEL
from puna.models.model import Model
from puna.scheduler.capacity import Capacity
from puna.scheduler.drafting import Drafter, drafter_of
from puna.scheduler.launch import (
    applicable,
    engine_identity,
    engine_of,
    footprint,
    is_embedding_model,
    runner_config,
)
from puna.scheduler.memory import Room, plan
from puna.scheduler.options import RunnerOptions
from puna.scheduler.tuned import UNTUNED, Tuned
from puna.scheduler.tuning_store import Measured, TuningKey, usable_cores
from puna.settings import Settings
from puna.tuning.bench import RunnerBench
from puna.tuning.search import Finding, Limits, Search

_CONTEXT = 4096
"""Enough for the longest prompt that is measured."""
_PROMPT_CACHE_MIB = 256
"""So that the prompts of the tasks are read once."""
_SAMPLES = 160
"""About how many measurements the time is for."""
_SHORTEST_SAMPLE, _LONGEST_SAMPLE = 0.05, 3.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """What to measure, and for how long. ``draft`` is a smaller model with the same vocabulary, else that
    which came with the model guesses, if one did."""

    model: Model
    draft: Model | None = None
    seconds: float = 120.0


async def tune(asked: Tuning, settings: Settings, report: Callable[[Finding], None]) -> Measured:
    """Return how a model runs fastest on this machine; ``report`` is told every comparison as it ends.

    Nothing is stored. Raises ``BadRequestError`` for a model that does not generate, or a draft model that does not go
    with it, ``OutOfMemoryError``, and the engine's errors when the model does not run at all.
    """
    model = asked.model
    if is_embedding_model(model.gguf):
        raise BadRequestError(f"{model.name} is made to embed text; only models that generate text are tuned")
    drafter = Drafter("draft-simple", _draft_digest(model, asked.draft)) if asked.draft else drafter_of(model)
    context = min(_CONTEXT, model.gguf.context_length or _CONTEXT)
    largest = Tuned(
        micro_batch=min(context, 2048),
        flash_attention=False,
        draft=drafter.digest if drafter else "",
        draft_tokens=1 if drafter else 0,
    )
    engine = engine_of(model, settings)
    capacity = Capacity(lambda: True)
    room = Room(capacity.bytes(), capacity.cards(engine))
    largest_footprint = footprint(model, settings, largest)
    needed = plan(largest_footprint, context=context, parallel=1, available=room.memory, cards=room.cards)

    def configure(how: Tuned) -> RunnerConfig:
        config = runner_config(model, RunnerOptions(), needed, settings, engine, how)
        return replace(config, embedding=False, pooling="", prompt_cache=_PROMPT_CACHE_MIB)

    start = _start(configure(UNTUNED))
    sample = max(_SHORTEST_SAMPLE, min(asked.seconds / _SAMPLES, _LONGEST_SAMPLE))
    began = time.monotonic()
    async with RunnerBench(
        model,
        configure,
        most=2 if room.usable.holds(needed.room.plus(needed.room)) else 1,
        sample_seconds=sample,
        load_timeout=settings.load_timeout,
    ) as bench:
        await bench.begin(start)
        search = Search(
            bench,
            start,
            _limits(model, settings, start, drafter),
            seconds=asked.seconds - (time.monotonic() - began),
            clock=time.monotonic,
            report=report,
        )
        result = await search.run()
    return Measured(
        key=TuningKey.of(model, engine_identity(engine)),
        model=str(model.name),
        tuned=result.tuned,
        speeds=result.speeds,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _start(config: RunnerConfig) -> Tuned:
    """Return what is done untuned, in numbers."""
    threads = config.threads or _physical_cores()
    return Tuned(
        threads=threads,
        threads_batch=config.threads_batch or threads,
        micro_batch=min(config.step, config.context),
        flash_attention=config.flash_attention,
    )


def _limits(model: Model, settings: Settings, start: Tuned, drafter: Drafter | None) -> Limits:
    cores, physical = usable_cores(), _physical_cores()
    whole = replace(start, flash_attention=False, kv_type="q8_0", speculation="ngram-simple")
    possible = applicable(whole, model, RunnerOptions(), settings)
    return Limits(
        threads=tuple(sorted({1, max(1, physical // 2), physical, cores})),
        largest_batch=min(_CONTEXT, model.gguf.context_length or _CONTEXT),
        flash_attention=possible.flash_attention is False,
        kv_type=bool(possible.kv_type),
        speculation=bool(possible.speculation),
        draft=drafter.digest if drafter else "",
        drafting=drafter.speculation if drafter else "",
    )


def _draft_digest(model: Model, draft: Model) -> str:
    """Return the digest of a draft model's file; raise ``BadRequestError`` if it cannot guess for ``model``."""
    if len(draft.paths) > 1:
        raise BadRequestError(f"{draft.name} is split into several files, which a draft model cannot be")
    if is_embedding_model(draft.gguf):
        raise BadRequestError(f"{draft.name} does not generate text")
    if vocabulary(draft.gguf) != vocabulary(model.gguf):
        raise BadRequestError(f"{draft.name} has another vocabulary than {model.name}, so it cannot guess its tokens")
    return draft.manifest.of_type(MODEL)[0].digest


def _physical_cores() -> int:
    return min(psutil.cpu_count(logical=False) or usable_cores(), usable_cores())
