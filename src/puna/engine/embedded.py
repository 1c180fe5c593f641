"""The process that runs a model on the portable wheel: ``python -m puna.engine.embedded``.

The parent writes two lines to standard input, a JSON object with ``socket``, ``key`` and ``debug`` and a
``RunnerConfig``, then keeps the pipe open until it writes "stop". The pipe's end without that is the parent's end,
however and whenever it came: this process removes its socket and the directory that it made for it, and exits.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import xllamacpp

from puna.engine.config import LOADING, STOP, RunnerConfig
from puna.engine.zeros import give_back_zeros

_KV_TYPES = {
    name: getattr(xllamacpp.ggml_type, f"GGML_TYPE_{name.upper()}")
    for name in ("f16", "f32", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl")
}
_ERRORS_AND_WARNINGS, _EVERYTHING = 2, 4
_FAILED_TO_LOAD = 3


def parameters(config: RunnerConfig, socket: str, key: str, debug: bool) -> Any:
    """Return what xllamacpp is to do for ``config``."""
    params = xllamacpp.CommonParams()
    params.model.path = config.model_path
    params.hostnames = [socket]
    params.api_keys = [key] if key else []
    params.ui = False
    params.verbosity = _EVERYTHING if debug else _ERRORS_AND_WARNINGS
    params.endpoint_slots = True
    params.cache_ram_mib = config.prompt_cache
    if config.slot_directory:
        params.slot_save_path = f"{config.slot_directory}/"
    params.fit_params = config.fit  # else the scheduler decides what fits
    params.warmup = False
    params.ctx_shift = True  # a request that must not shift is bounded by its number of tokens
    params.n_ctx = config.context * config.parallel
    params.n_parallel = config.parallel
    params.kv_unified = config.unified
    if config.unified:
        params.kv_unified_per_slot = config.context
    params.n_batch = config.batch
    params.n_ubatch = config.step
    params.cache_type_k = params.cache_type_v = _KV_TYPES[config.kv_type]
    params.n_gpu_layers = config.gpu_layers
    params.use_jinja = True
    if config.chat_template:
        params.chat_template = config.chat_template
    # "deepseek" is llama.cpp's word for thoughts in a field of their own, whatever the model.
    params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_DEEPSEEK
    params.embedding = config.embedding
    if config.embedding and config.pooling:
        pooling = f"LLAMA_POOLING_TYPE_{config.pooling.upper()}"
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, pooling)
    if config.flash_attention is not None:
        params.flash_attn_type = (
            xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if config.flash_attention
            else xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
    if config.threads > 0:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config.threads
    if config.threads_batch > 0:
        params.cpuparams_batch.n_threads = config.threads_batch
    if config.projector_path:
        params.mmproj.path = config.projector_path
    if config.use_mlock:
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP_MLOCK
    elif not config.use_mmap:
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    if config.repack is not None:
        params.no_extra_bufts = not config.repack
    if config.numa:
        params.numa = xllamacpp.ggml_numa_strategy.GGML_NUMA_STRATEGY_DISTRIBUTE
    if config.adapter_paths:
        params.lora_adapters = [_adapter(path) for path in config.adapter_paths]
    for attribute, value in config.passed("attribute"):
        setattr(params, attribute, value)
    if config.speculation:
        _speculate(params.speculative, config)
    return params


def _speculate(speculative: Any, config: RunnerConfig) -> None:
    name = config.speculation.upper().replace("-", "_")
    speculative.types = [getattr(xllamacpp.common_speculative_type, f"COMMON_SPECULATIVE_TYPE_{name}")]
    speculative.draft.mparams.path = config.draft_path
    maps = (speculative.ngram_simple, speculative.ngram_map_k, speculative.ngram_map_k4v)
    if config.draft_tokens > 0:
        speculative.draft.n_max = config.draft_tokens
        speculative.ngram_mod.n_max = config.draft_tokens
        speculative.ngram_mod.n_min = min(speculative.ngram_mod.n_min, config.draft_tokens)
        for ngrams in maps:
            ngrams.size_m = config.draft_tokens
    if config.draft_match > 0:
        speculative.ngram_mod.n_match = config.draft_match
        for ngrams in maps:
            ngrams.size_n = config.draft_match


def _adapter(path: str) -> Any:
    adapter = xllamacpp.CommonAdapterLoraInfo()
    adapter.path = path
    adapter.scale = 1.0
    return adapter


def main() -> None:
    """Load the model, serve it until the parent goes away."""
    start, config = sys.stdin.readline(), sys.stdin.readline()
    if not config.endswith("\n"):
        return  # the parent has ended before it had said all
    told = json.loads(start)
    socket = Path(told["socket"])
    loading = socket.with_name(LOADING)
    socket.parent.mkdir(mode=0o700)
    try:
        _server = xllamacpp.Server(parameters(RunnerConfig.from_json(config), str(loading), told["key"], told["debug"]))
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - standard error is this process's way to be heard
        sys.exit(_FAILED_TO_LOAD)  # in order: a thread of the engine is still writing the reason to its log
    give_back_zeros()
    loading.rename(socket)  # from now on it can be asked
    told_to_stop = sys.stdin.readline().strip() == STOP
    with contextlib.suppress(OSError):
        socket.unlink()
        if not told_to_stop:
            socket.parent.rmdir()  # the parent would have done it
    os._exit(0)


if __name__ == "__main__":
    main()
