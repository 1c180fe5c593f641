"""From a model and what is asked of its runner to the configuration that the engine starts with."""

from collections.abc import Sized
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from puna.engine.config import RunnerConfig
from puna.engine.engines import Engines
from puna.engine.native import identity
from puna.models.gguf import GGUFFile, kv_cache_bytes_per_token
from puna.models.library import Model
from puna.scheduler.demand import Demand
from puna.scheduler.memory import Footprint, Plan
from puna.scheduler.options import RunnerOptions
from puna.settings import Settings

_POOLED_BATCH = 2048
_BATCH = 512
_LOGITS_BYTES = 128 << 20
"""What a batch of a model that was not made to embed may take for logits, which the engine keeps for every token."""
_FLOAT_BYTES = 4
_WIDTHS = 8
"""About how many vectors of the model's width are alive at once for each token of a batch, besides two of logits."""
_ONE_THREAD_BYTES = 64 << 20
"""Smaller models are fastest on one thread: more of them spend their time waiting for each other."""


def footprint(model: Model, settings: Settings) -> Footprint:
    """Return what the model's files say about its size."""
    files = [*model.paths, *model.adapters, *model.projectors]
    return Footprint(
        weights=sum(path.stat().st_size for path in files),
        cache_per_token=kv_cache_bytes_per_token(model.gguf, settings.kv_cache_type),
        trained_context=model.gguf.context_length or 0,
        scratch_per_token=_FLOAT_BYTES * (2 * _vocabulary(model.gguf) + _WIDTHS * (model.gguf.embedding_length or 0)),
        # A text to embed is pooled over one batch, so a batch must hold it; for a model that was not made to embed,
        # a smaller limit keeps the compute buffers small.
        batch_limit=0 if is_embedding_model(model.gguf) else _batch_limit(_vocabulary(model.gguf)),
    )


def demand_of(model: Model, options: RunnerOptions, settings: Settings) -> Demand:
    """Return what a request for ``model`` with these options needs of a runner."""
    return Demand(
        footprint=footprint(model, settings),
        context=options.num_ctx or settings.context_length,
        parallel=settings.num_parallel,
        variant=replace(options, num_ctx=0),
    )


def runner_config(model: Model, options: RunnerOptions, plan: Plan, settings: Settings) -> RunnerConfig:
    """Return the configuration of a runner for ``model`` with the context and slots of ``plan``."""
    return RunnerConfig(
        engine=Engines(settings.home, settings.engine).program(str(model.name)),
        model_path=str(model.path),
        adapter_paths=tuple(str(path) for path in model.adapters),
        projector_path=str(model.projectors[0]) if model.projectors else "",
        context=plan.context,
        parallel=plan.parallel,
        batch=options.num_batch or footprint(model, settings).batch(plan.context),
        prompt_cache=plan.prompt_cache >> 20,
        kv_type=settings.kv_cache_type,
        flash_attention=settings.flash_attention,
        threads=options.num_thread or int(model.path.stat().st_size < _ONE_THREAD_BYTES),
        gpu_layers=options.num_gpu,
        main_gpu=options.main_gpu,
        use_mmap=options.use_mmap,
        use_mlock=options.use_mlock,
        numa=options.numa,
        pooling="" if is_embedding_model(model.gguf) else "mean",
    )


def can_save_slots(model: Model) -> bool:
    """Return whether the engine can save what this model's slots hold: text that a model generates from."""
    return not model.projectors and not is_embedding_model(model.gguf)


def session_key(model: Model, config: RunnerConfig) -> dict[str, Any]:
    """Return everything that makes a saved slot valid but its tokens. The model's digest covers its adapters."""
    return {
        "model": str(model.name),
        "digest": model.digest,
        "engine": identity(config.engine) if config.engine else f"xllamacpp {version('xllamacpp')}",
        "context": config.context,
        "batch": config.batch,
        "kv_type": config.kv_type,
        "flash_attention": config.flash_attention,
        "gpu_layers": config.gpu_layers,
    }


def is_embedding_model(gguf: GGUFFile) -> bool:
    """Return whether the model was made to embed text, and does not generate any."""
    return f"{gguf.architecture}.pooling_type" in gguf.metadata


def _batch_limit(vocabulary: int) -> int:
    return min(_POOLED_BATCH, max(_BATCH, _LOGITS_BYTES // (_FLOAT_BYTES * max(vocabulary, 1))))


def _vocabulary(gguf: GGUFFile) -> int:
    tokens = gguf.metadata.get("tokenizer.ggml.tokens", ())
    return len(tokens) if isinstance(tokens, Sized) else 0
