"""From a model and what is asked of its runner to the configuration that the engine starts with."""

import logging
import os
import sys
from collections.abc import Sized
from dataclasses import fields, replace
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from puna.engine import native
from puna.engine.config import RunnerConfig
from puna.engine.devices import on_processor
from puna.engine.engines import Engines, about_of
from puna.engine.vllm import program as vllm
from puna.errors import BadRequestError
from puna.models.gguf import GGUFError, GGUFFile, kv_cache_bytes_per_token, read_gguf
from puna.models.layouts.translation import as_engine_sees
from puna.models.model import Model
from puna.scheduler.attention import PLAIN_KV_TYPES, SCORED_STEP, STEP, flash_attention
from puna.scheduler.demand import Demand
from puna.scheduler.drafting import drafted, drafter_of
from puna.scheduler.memory import Footprint, Plan
from puna.scheduler.options import BOUNDS, RunnerOptions
from puna.scheduler.tuned import UNTUNED, Tuned
from puna.scheduler.tuning_store import usable_cores
from puna.settings import Settings

_log = logging.getLogger(__name__)
_RANK = 4
"""llama.cpp's number for a model whose vectors are one score (``LLAMA_POOLING_TYPE_RANK``)."""
_POOLED_BATCH = 2048
_BATCH = 512
_LOGITS_BYTES = 128 << 20
"""What a batch of a model that was not made to embed may take for logits, which the engine keeps for every token."""
_FLOAT_BYTES = 4
_MASK_BYTES = 2
_WIDTHS = 8
"""About how many vectors of the model's width are alive at once for each token of a batch, besides two of logits."""
_MORE_FOR_IMAGES = ("qwen2vl", "qwen3vl", "qwen3vlmoe")
_IMAGE_MIN_TOKENS = 1024
"""These see little in fewer tokens; the engine warns of it, and Ollama starts it so."""
_ROOM_FOR_IMAGES = 4
"""How many pictures of that size a context must hold for it to be worth while."""
_PATCH, _MERGED_PATCHES = 16, 2
_AS_THEY_ARE = BOUNDS.keys() & {field.name for field in fields(RunnerConfig)}
"""Options that a runner is started with as they are asked for."""
_ONE_THREAD_BYTES = 64 << 20
"""Smaller models generate fastest on one thread: more of them spend their time waiting for each other. Texts to embed
are long enough for all."""
_FEW_THREADS = 4
"""Threads of such a model for a step of several tokens, at most: prompts, and answers side by side."""
NOTHING_ASKED = RunnerOptions()


def applicable(tuned: Tuned, model: Model, options: RunnerOptions, settings: Settings) -> Tuned:
    """Return what of ``tuned`` a request and the settings have not decided otherwise, and the files allow."""
    tuned = drafted(tuned, model, options.draft_num_predict)
    if options.num_thread:
        tuned = replace(tuned, threads=0, threads_batch=0)
    if options.num_batch or _takes_whole_steps(model, options):
        tuned = replace(tuned, micro_batch=0)
    if settings.kv_cache_type or settings.flash_attention is False:
        tuned = replace(tuned, kv_type="")
    if settings.flash_attention is not None or settings.kv_cache_type not in (None, *PLAIN_KV_TYPES):
        tuned = replace(tuned, flash_attention=None)
    if options.logprobs or (tuned.draft and _draft(model, tuned) is None):
        tuned = tuned.plain()
    return tuned


def decided(tuned: Tuned, model: Model, options: RunnerOptions, settings: Settings, engine: str) -> Tuned:
    """Return how a runner is started: what is applicable of ``tuned``, with attention and its steps chosen."""
    tuned = applicable(tuned, model, options, settings)
    whole, on_processor = _takes_whole_steps(model, options), _on_processor(options, engine)
    attention = flash_attention(
        settings,
        tuned,
        kv_type=_kv_type(settings, tuned),
        for_many=on_processor and not about_of(engine).attends,
        whole_steps=whole,
    )
    step = tuned.micro_batch
    if not (whole or step) and (attention is False or on_processor):
        most = SCORED_STEP if attention is False else STEP
        step = min(most, options.num_batch or most)
    return replace(tuned, flash_attention=attention, micro_batch=step)


def footprint(
    model: Model, settings: Settings, tuned: Tuned = UNTUNED, options: RunnerOptions = NOTHING_ASKED
) -> Footprint:
    """Return what the model's files say about its size when its runner is started as ``tuned``, all decided, says."""
    files = list(dict.fromkeys((*model.paths, *model.adapters, *model.projectors)))
    gguf = model.engine_gguf
    cache = kv_cache_bytes_per_token(gguf, _kv_type(settings, tuned))
    heads = max(gguf.head_counts, default=0)
    draft = _draft(model, tuned) if tuned.draft else None
    if draft:
        files.append(draft.path)
        cache += kv_cache_bytes_per_token(draft)
        heads += max(draft.head_counts, default=0)
    return Footprint(
        weights=sum(path.stat().st_size for path in files) + (vllm.OVERHEAD if model.is_checkpoint else 0),
        cache_per_token=cache,
        trained_context=model.gguf.context_length or 0,
        scratch_per_token=_FLOAT_BYTES * (2 * token_count(model.gguf) + _WIDTHS * (model.gguf.embedding_length or 0)),
        # A text to embed is pooled over one batch, so a batch must hold it; for a model that was not made to embed,
        # a smaller limit keeps the compute buffers small. A request may raise it, and what that takes is counted.
        batch_limit=0
        if is_embedding_model(model.gguf)
        else max(options.num_batch, _batch_limit(token_count(model.gguf))),
        micro_batch=tuned.micro_batch,
        guesses=tuned.draft_tokens,
        scores_per_pair=_FLOAT_BYTES * heads if tuned.flash_attention is False else _masks(model.gguf),
        unified=embeds(model, options) and cache > 0,  # without a cache, a text is scored against itself alone
    )


def _masks(gguf: GGUFFile) -> int:
    """Return the bytes in which flash attention is told of a pair of tokens whether one sees the other.

    They count where a whole text is one step, and grow with its square; a sliding window has a mask of its own.
    """
    if not is_embedding_model(gguf):
        return 0
    return _MASK_BYTES * (2 if gguf.whole(f"{gguf.architecture}.attention.sliding_window") else 1)


def demand_of(
    model: Model, options: RunnerOptions, settings: Settings, engine: str, tuned: Tuned = UNTUNED, cards: int = 0
) -> Demand:
    """Return what a request for ``model`` with these options needs of a runner.

    ``engine`` is that of a ``RunnerConfig``, ``tuned`` what was measured with it, and ``cards`` the bytes that its
    graphics cards have for models.
    """
    tuned = decided(tuned, model, options, settings, engine)
    guessed = options.draft_num_predict
    if guessed >= 0 and drafter_of(model) is None:  # then it makes no difference
        guessed = -1
    return Demand(
        footprint=footprint(model, settings, tuned, options),
        context=options.num_ctx or settings.context_length,
        parallel=settings.num_parallel,
        variant=replace(
            _that_count(options, engine), num_ctx=0, logprobs=False, embeds=False, draft_num_predict=guessed
        ),
        guesses=bool(tuned.speculation),
        plain=options.logprobs,
        embeds=embeds(model, options),
        cards=cards if options.num_gpu else 0,
        cards_share=_cards_share(model.gguf, options.num_gpu),
    )


def _cards_share(gguf: GGUFFile, layers: int) -> float:
    """Return the part of a model that so many layers are, its output being one; all of it for -1."""
    blocks = gguf.block_count or 0
    return 1.0 if layers < 0 else min(1.0, layers / (blocks + 1))


def runner_config(
    model: Model, options: RunnerOptions, plan: Plan, settings: Settings, engine: str, tuned: Tuned = UNTUNED
) -> RunnerConfig:
    """Return the configuration of a runner for ``model`` on ``engine`` with the context and slots of ``plan``.

    ``tuned`` is what was measured.
    """
    tuned = decided(tuned, model, options, settings, engine)
    size = footprint(model, settings, tuned, options)
    step = _shared_out(size.step(plan.context, plan.parallel), plan.parallel) if tuned.micro_batch else 0
    batch = size.batch(plan.context)
    if options.num_batch and not _takes_whole_steps(model, options):  # what may not be cut must fit, whatever is said
        batch = min(batch, options.num_batch)
    threads, threads_batch = _threads(options) or tuned.threads, tuned.threads_batch
    if not threads and _is_small(model, options):
        threads, threads_batch = 1, threads_batch or min(usable_cores(), _FEW_THREADS)
    return RunnerConfig(
        engine=engine,
        model_path=str(model.path),
        adapter_paths=tuple(str(path) for path in model.adapters),
        projector_path=str(model.projectors[0]) if model.projectors else "",
        context=plan.context,
        parallel=plan.parallel,
        batch=max(_shared_out(batch, plan.parallel, up=_takes_whole_steps(model, options)), step),
        micro_batch=step,
        prompt_cache=plan.prompt_cache >> 20 if _keeps_prompts(model, options, tuned, engine) else 0,
        kv_type=_kv_type(settings, tuned),
        flash_attention=tuned.flash_attention,
        threads=threads,
        threads_batch=threads_batch,
        gpu_layers=options.num_gpu,
        fit=plan.split and options.num_gpu < 0,
        **{name: getattr(options, name) for name in _AS_THEY_ARE},
        image_min_tokens=_image_min_tokens(model),
        embedding=embeds(model, options),
        pooling=_pooling(model.gguf) if options.embeds else "",
        speculation=tuned.speculation,
        draft_path=str(model.blobs.path(tuned.draft)) if tuned.draft else "",
        draft_tokens=tuned.draft_tokens,
        draft_match=tuned.draft_match,
        cache_bytes=size.cache(plan.context, plan.parallel) if model.is_checkpoint else 0,
    )


def _keeps_prompts(model: Model, options: RunnerOptions, tuned: Tuned, engine: str) -> bool:
    """Return whether a runner is to keep prompts that have left their slot: not where it only embeds.

    No text goes on from one before, and with a cache that all slots share the engine would put the last text of each
    slot away before every other. Where its attention slows down with what other slots hold, it is right to.
    """
    only_embeds = is_embedding_model(model.gguf) or not options.generates
    return not (only_embeds and about_of(engine).attends and tuned.flash_attention is not False)


def _shared_out(tokens: int, slots: int, *, up: bool = False) -> int:
    """Return ``tokens``, or the next number below (above with ``up``) that each slot has an equal part of.

    The engine aborts else. What must go into one step, as a text to embed does, may not lose its last tokens to that.
    """
    return -(-tokens // slots) * slots if up else max(tokens - tokens % slots, slots)


def _image_min_tokens(model: Model) -> int:
    """Return the fewest tokens that a picture becomes, 0 where the projector decides."""
    gguf, eyes = model.engine_gguf, model.projector_gguf
    if eyes is None or gguf.architecture not in _MORE_FOR_IMAGES:
        return 0
    if (gguf.context_length or 0) < _ROOM_FOR_IMAGES * _IMAGE_MIN_TOKENS:
        return 0
    side = (eyes.whole("clip.vision.patch_size") or _PATCH) * _MERGED_PATCHES
    largest = eyes.whole("clip.vision.image_max_pixels")
    return 0 if largest and largest < _IMAGE_MIN_TOKENS * side * side else _IMAGE_MIN_TOKENS


def can_save_slots(model: Model, config: RunnerConfig) -> bool:
    """Return whether the engine can save what this model's slots hold: text that a model generates from.

    It does not save what a draft model or layers that guess hold, and those fail on a conversation whose beginning they
    have not read.
    """
    drafts = config.speculation.startswith("draft-")
    return not (model.projectors or is_embedding_model(model.gguf) or drafts or model.is_checkpoint)


def session_key(model: Model, config: RunnerConfig) -> dict[str, Any]:
    """Return everything that makes a saved slot valid but its tokens. The model's digest covers its adapters."""
    return {
        "model": str(model.name),
        "digest": model.digest,
        "engine": engine_identity(config.engine),
        "context": config.context,
        "batch": config.batch,
        "micro_batch": config.micro_batch,
        "kv_type": config.kv_type,
        "flash_attention": config.flash_attention,
        "gpu_layers": config.gpu_layers,
    }


def engine_of(model: Model, settings: Settings, name: str = "") -> str:
    """Return the ``engine`` of a ``RunnerConfig`` for the model, on the engine of this name if there is one."""
    own = name or settings.sections.of(model.name).engine
    engines = Engines(settings.home, own or settings.engine)
    if model.is_checkpoint:  # nothing else reads it
        return engines.resolve(vllm.NAME)
    program = engines.program(str(model.name))
    if vllm.is_vllm(program):
        raise WrongEngineError(str(model.name))
    return program


class WrongEngineError(BadRequestError):
    """The engine that was chosen for a model does not read its files."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"model '{name}' is a GGUF file, and the engine vllm runs checkpoints in safetensors (puna create --keep); "
            f"puna engine use portable --model {name} takes the choice back"
        )


def engine_identity(engine: str) -> str:
    """Return a text that is another one for every other engine; ``engine`` is that of a ``RunnerConfig``."""
    return native.identity(engine) if engine else _portable_identity()


@cache
def _portable_identity() -> str:
    """Return what ``engine_identity`` says of the portable engine, for which a millisecond is spent in files."""
    return f"xllamacpp {version('xllamacpp')}"


def embeds(model: Model, options: RunnerOptions) -> bool:
    """Return whether a runner for a request with these options must be able to embed text."""
    return options.embeds or is_embedding_model(model.gguf)


def is_reranker(gguf: GGUFFile) -> bool:
    """Return whether the model was made to score documents."""
    return gguf.whole(f"{gguf.architecture}.pooling_type") == _RANK


def _pooling(gguf: GGUFFile) -> str:
    """Return what the engine must be told: models that generate have no vectors of their own."""
    if is_reranker(gguf):
        return "rank"
    return "" if is_embedding_model(gguf) else "mean"


def is_embedding_model(gguf: GGUFFile) -> bool:
    """Return whether the model was made to embed text, and does not generate any."""
    return gguf.embeds


def _draft(model: Model, tuned: Tuned) -> GGUFFile | None:
    """Return the header of the draft model's file, ``None`` if it is not there any more."""
    return _header(model.blobs.path(tuned.draft)) if model.blobs.has(tuned.draft) else None


@lru_cache(maxsize=16)
def _header(path: Path) -> GGUFFile | None:
    try:
        return as_engine_sees(read_gguf(path))
    except (GGUFError, OSError) as error:
        _log.warning("a draft model cannot be used: %s", error)
        return None


def _is_small(model: Model, options: RunnerOptions) -> bool:
    weights = sum(path.stat().st_size for path in model.paths)
    return weights < _ONE_THREAD_BYTES and not embeds(model, options)


def _threads(options: RunnerOptions) -> int:
    """Return the threads that are asked for, of which more than the processor carries out at once only wait."""
    return min(options.num_thread, os.cpu_count() or 1)


def _that_count(options: RunnerOptions, engine: str) -> RunnerOptions:
    """Return ``options`` with those as usual that make no difference here: no runner is started anew for them."""
    options = replace(options, num_thread=_threads(options))
    if _on_processor(NOTHING_ASKED, engine):
        options = replace(options, num_gpu=NOTHING_ASKED.num_gpu, main_gpu=NOTHING_ASKED.main_gpu)
    return options


def _takes_whole_steps(model: Model, options: RunnerOptions) -> bool:
    """Return whether the engine evaluates a batch in one step: no text to embed or image may be cut."""
    return embeds(model, options) or bool(model.projectors)


def _on_processor(options: RunnerOptions, engine: str) -> bool:
    """Return whether all is computed on the processor."""
    if options.num_gpu == 0:
        return True
    return on_processor(engine) if engine else sys.platform != "darwin"  # the wheels for it use Metal


def _kv_type(settings: Settings, tuned: Tuned) -> str:
    return settings.kv_cache_type or tuned.kv_type or "f16"


def _batch_limit(vocabulary: int) -> int:
    return min(_POOLED_BATCH, max(_BATCH, _LOGITS_BYTES // (_FLOAT_BYTES * max(vocabulary, 1))))


def token_count(gguf: GGUFFile) -> int:
    """Return how many tokens a model has, 0 where its file does not say."""
    tokens = gguf.metadata.get("tokenizer.ggml.tokens", ())
    return len(tokens) if isinstance(tokens, Sized) else 0
