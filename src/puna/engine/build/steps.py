"""How far a build is, by what its steps cost: some files of llama.cpp take a hundred times as long as others."""

import re
from collections.abc import Callable

_STEP = re.compile(r"\[\d+/\d+\] (.*)")
_COSTS = {
    "llama-common.dir/Unity": 18.0,
    "llama.dir/Unity": 4.0,
    "llama.dir/llama-model.cpp": 11.0,
    "amx/mmq.cpp": 11.0,
    "llama-kv-cache.cpp": 10.0,
    "llama.dir/unicode.cpp": 10.0,
    "ggml-cpu/ops.cpp": 9.0,
    "llama-model-loader.cpp": 8.0,
    "llama-vocab.cpp": 7.5,
    "llama-sampler.cpp": 7.5,
    "llama-quant.cpp": 7.0,
    "llama-grammar.cpp": 6.0,
    "llama-kv-cache-dsv4.cpp": 6.0,
    "tiled/tiled.cpp": 6.0,
    "llama-context.cpp": 5.5,
    "sgemm.cpp": 5.0,
    "llama-graph.cpp": 5.0,
    "gguf.cpp": 4.5,
    "repack.cpp": 4.5,
    "backend-meta.cpp": 4.5,
    "unary-ops.cpp": 4.0,
    "hybrid-idx.cpp": 4.0,
    "llama-batch.cpp": 3.5,
    "ggml-quants.c": 3.5,
    "memory-recurrent.cpp": 3.0,
    "binary-ops.cpp": 2.5,
}
"""Seconds of a processor for the steps whose lines contain a text, as measured (Zig 0.17, two busy cores); the first
that fits counts. Only what takes longer than others is here.
"""
_LINK, _COMPILE = 0.1, 1.5


class Steps:
    """Reads Ninja's lines: first of a dry run (``plan``), then of the real one (``done``)."""

    def __init__(self, progress: Callable[[float, float], None]) -> None:
        self._progress = progress
        self._total = 0.0
        self._done = 0.0

    def plan(self, line: str) -> None:
        """Take a line of the dry run."""
        self._total += cost(line)

    def done(self, line: str) -> None:
        """Take a line of the run, and tell how much is done."""
        if step := cost(line):
            self._done = min(self._total, self._done + step)
            self._progress(self._done, self._total)


def cost(line: str) -> float:
    """Return about how long the step takes that a line of Ninja tells of, 0 for another line."""
    found = _STEP.match(line)
    if not found:
        return 0.0
    step = found[1]
    if "Building" not in step:
        return _LINK
    return next((seconds for text, seconds in _COSTS.items() if text in step), _COMPILE)
