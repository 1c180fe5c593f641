"""Runs engines on small models: whether one works, and which of two is faster."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from puna import builtin
from puna.engine.config import RunnerConfig
from puna.engine.engines import Speed
from puna.engine.errors import ModelLoadError, RunnerCrashedError
from puna.engine.runner import Runner
from puna.models.create.quantize.ggml import quantize_rows
from puna.models.create.quantize.mixes import TYPES
from puna.models.gguf_types import GGUFArray
from puna.models.library import Library
from puna.models.model import Model

_LAYERS, _WIDTH, _INNER, _HEADS, _CONTEXT = 8, 1024, 3072, 16, 1024
_DEVIATION = 0.03
_SAMPLE_ROWS = 512
_ROUNDS, _MOST_ROUNDS = 10, 60
_CLEAR = 1.1
"""By how much the best rounds of the two engines must differ, to end after ten."""
_REACHED = 1.05
"""How near its best round another round of an engine must come: a best that stays alone may be bettered yet."""
_PROMPT_TOKENS, _ANSWER_TOKENS = 256, 64
_LOAD_SECONDS, _CHECK_SECONDS = 120.0, 300.0
_MEASURE_SECONDS, _MORE_SECONDS = 300.0, 150.0
"""How long measuring may take, and until when further rounds are begun."""
_PROMPTS = ("Once upon a time", "The weather in the mountains", "从前有一座山")
_CHECKED_TOKENS = 32


class FailedCheckError(Exception):
    """An engine does not do what it should."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How often an engine's likeliest answer was the portable engine's."""

    same: int
    asked: int


def check(program: str, directory: Path) -> Comparison:
    """Run ``cria`` on a llama-server and compare its answers with the portable engine's.

    Numbers are rounded in another order by other instructions, so an answer may come to differ; one that differs from
    its first token for every prompt, or is empty, is wrong. Raises ``FailedCheckError`` with the reason.
    """
    config = RunnerConfig(model_path=str(_cria().path), context=_CONTEXT, embedding=False, threads=1)
    try:
        expected = asyncio.run(_answers(config, directory))
        answers = asyncio.run(_answers(replace(config, engine=program), directory))
    except (ModelLoadError, RunnerCrashedError, TimeoutError) as error:
        raise FailedCheckError(str(error) or "it does not answer in time") from error
    if not all(answers) or not any(one[0] == other[0] for one, other in zip(answers, expected, strict=True)):
        raise FailedCheckError("its answers make no sense")
    return Comparison(sum(one == other for one, other in zip(answers, expected, strict=True)), len(_PROMPTS))


def _cria() -> Model:
    return Library(builtin.STORE).get(builtin.CRIA)


async def _answers(config: RunnerConfig, directory: Path) -> list[list[int]]:
    async with asyncio.timeout(_CHECK_SECONDS):
        runner = await Runner.start("cria", config, directory, load_timeout=_LOAD_SECONDS)
        try:
            return [(await _complete(runner, prompt, _CHECKED_TOKENS))["tokens"] for prompt in _PROMPTS]
        finally:
            await runner.stop()


async def _complete(runner: Runner, prompt: str | Sequence[int], tokens: int, **more: Any) -> Any:
    body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "return_tokens": True, "cache_prompt": False}
    return await runner.client.complete(body | more)


@dataclass(frozen=True, slots=True)
class Measured:
    """The speeds of a llama-server, with or without ``repack`` as it is the faster, and of the portable engine."""

    speed: Speed
    repack: bool
    portable: Speed

    @property
    def is_faster(self) -> bool:
        """Return whether the llama-server is the faster one."""
        return seconds(self.speed) < seconds(self.portable)


def measure(program: str, model: Path, directory: Path) -> Measured:
    """Measure a llama-server and the portable engine on a model; sockets go into ``directory``.

    They run in turn, on all cores, and the best round of each counts, so that what else the machine does disturbs
    none more than the others. There are more than ten where the outcome is close, or the best of an engine was reached
    only once, as on a busy machine. When the time is over, the rounds so far decide. Raises ``ModelLoadError``,
    ``RunnerCrashedError``, or ``TimeoutError`` before the first round ended.
    """
    portable = RunnerConfig(model_path=str(model), context=_CONTEXT, embedding=False)
    native = replace(portable, engine=program, repack=True)
    repacked, plain, other = asyncio.run(_measure([native, replace(native, repack=False), portable], directory))
    repack = seconds(repacked) < seconds(plain)
    return Measured(repacked if repack else plain, repack, other)


async def _measure(configs: Sequence[RunnerConfig], directory: Path) -> list[Speed]:
    runners: list[Runner] = []
    rounds: list[list[Speed]] = []
    began = time.monotonic()
    try:
        async with asyncio.timeout(_MEASURE_SECONDS):
            for config in configs:
                runners.append(await Runner.start("trial", config, directory, load_timeout=_LOAD_SECONDS))
            while not _decided(rounds, time.monotonic() - began):
                rounds.append([await _speed(runner, len(rounds)) for runner in runners])
    except TimeoutError:
        if not rounds:
            raise
    finally:
        for runner in runners:
            await runner.stop()
    return _best(rounds)


def _best(rounds: Sequence[Sequence[Speed]]) -> list[Speed]:
    """Return the best speeds of each engine over all rounds."""
    return [
        Speed(max(speed.prompt for speed in speeds), max(speed.generation for speed in speeds))
        for speeds in zip(*rounds, strict=True)
    ]


def _decided(rounds: Sequence[Sequence[Speed]], passed: float) -> bool:
    """Return whether enough rounds were made to say whether the llama-server is faster than the portable engine."""
    if len(rounds) < _ROUNDS:
        return False
    if len(rounds) >= _MOST_ROUNDS or passed > _MORE_SECONDS:
        return True
    *ways, portable = map(seconds, _best(rounds))
    ratio = portable / min(ways)
    return max(ratio, 1 / ratio) >= _CLEAR and all(map(_is_reached, zip(*rounds, strict=True)))


def _is_reached(speeds: Sequence[Speed]) -> bool:
    """Return whether an engine came near its best in two rounds."""
    best, second, *_ = sorted(map(seconds, speeds))
    return second <= best * _REACHED


async def _speed(runner: Runner, seed: int) -> Speed:
    tokens = random.Random(seed).choices(range(1000), k=_PROMPT_TOKENS)
    timings = (await _complete(runner, tokens, _ANSWER_TOKENS, ignore_eos=True))["timings"]
    return Speed(timings["prompt_per_second"], timings["predicted_per_second"])


def seconds(speed: Speed) -> float:
    """Return how long an engine takes for a prompt of 256 tokens and an answer of 64."""
    return _PROMPT_TOKENS / speed.prompt + _ANSWER_TOKENS / speed.generation


def write_model(path: Path) -> Path:
    """Write a model with ``cria``'s vocabulary and 80 million random weights in the types of Q4_K_M.

    The rows of every tensor are drawn from a few hundred: what they say makes no sense, but computing it takes as long
    as if they were all different.
    """
    vocabulary = _listed("tokens")
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS // 4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary)
    writer.add_token_types(_listed("token_type"))
    writer.add_token_merges(_listed("merges"))
    rows = _Rows()
    writer.add_tensor("token_embd.weight", rows.take("Q6_K", len(vocabulary), _WIDTH), raw_dtype=_kind("Q6_K"))
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    for layer in range(_LAYERS):
        for name, kind, height, width in _MATRICES:
            writer.add_tensor(f"blk.{layer}.{name}.weight", rows.take(kind, height, width), raw_dtype=_kind(kind))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(_WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _listed(name: str) -> list[Any]:
    values = _cria().gguf.metadata[f"tokenizer.ggml.{name}"]
    return values.load() if isinstance(values, GGUFArray) else []


_MATRICES = (
    ("attn_q", "Q4_K", _WIDTH, _WIDTH),
    ("attn_k", "Q4_K", _WIDTH // 4, _WIDTH),
    ("attn_v", "Q6_K", _WIDTH // 4, _WIDTH),
    ("attn_output", "Q4_K", _WIDTH, _WIDTH),
    ("ffn_gate", "Q4_K", _INNER, _WIDTH),
    ("ffn_up", "Q4_K", _INNER, _WIDTH),
    ("ffn_down", "Q6_K", _WIDTH, _INNER),
)


def _kind(name: str) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType[name]


class _Rows:
    """Quantised random rows, a few hundred of each width and type, to draw from."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)
        self._made: dict[tuple[str, int], Any] = {}

    def take(self, kind: str, height: int, width: int) -> Any:
        """Return the bytes of ``height`` rows."""
        if (kind, width) not in self._made:
            weights = self._random.normal(0, _DEVIATION, (_SAMPLE_ROWS, width)).astype(np.float32)
            data = quantize_rows(weights, TYPES[kind])
            if data is None:
                raise FailedCheckError("the portable engine cannot quantise")
            self._made[kind, width] = data.reshape(_SAMPLE_ROWS, -1)
        return self._made[kind, width][self._random.integers(0, _SAMPLE_ROWS, height)]
