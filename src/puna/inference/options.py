"""The options of a request: Ollama's ``Options`` and every further sampler that the engine has.

Each option is one row of ``_OPTIONS``: its type, its range and what the engine calls it. Values come from the model's
parameters and from the request, the request's winning; a wrong one is an error that names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from puna.inference import option_checks as checks
from puna.scheduler.options import BOUNDS, RunnerOptions


@dataclass(frozen=True, slots=True)
class Options:
    """All options of one request, checked.

    ``sampling`` holds what goes to the engine as it is, under the engine's names. ``num_predict`` is the number of
    tokens to generate at most, negative for no limit of the request's own. ``think``, ``truncate`` and ``shift`` are
    the model's defaults for requests that do not say. ``thinking_budget`` is how many tokens the thoughts may have,
    negative for no limit of their own. ``unknown`` are names that nothing here knows.
    """

    sampling: Mapping[str, Any] = field(default_factory=lambda: dict(_DEFAULT_SAMPLING))
    runner: RunnerOptions = field(default_factory=RunnerOptions)
    num_predict: int = -1
    num_keep: int = 4
    stop: tuple[str, ...] = ()
    think: bool | str | None = None
    truncate: bool = True
    shift: bool = True
    thinking_budget: int = -1
    unknown: tuple[str, ...] = ()

    @classmethod
    def merge(cls, *sources: Mapping[str, Any]) -> Self:
        """Return the options of several mappings, later ones winning; raise ``InvalidOptionError``."""
        values: dict[str, Any] = {}
        for source in sources:
            values.update({name: value for name, value in source.items() if value is not None})
        sampling = dict(_DEFAULT_SAMPLING)
        runner: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name, value in values.items():
            option = _OPTIONS.get(name)
            if option is None:
                continue
            checked = option.check(name, value)
            target = {_SAMPLING: sampling, _RUNNER: runner, _OWN: own}[option.group]
            target[option.engine_name or name] = checked
        unknown = tuple(sorted(name for name in values if name not in _OPTIONS and name not in _OBSOLETE))
        return replace(cls(sampling=sampling, runner=RunnerOptions(**runner), unknown=unknown), **own)


_SAMPLING, _RUNNER, _OWN = "sampling", "runner", "own"


@dataclass(frozen=True, slots=True)
class _Option:
    check: checks.Check
    group: str = _SAMPLING
    engine_name: str = ""


_OPTIONS: Mapping[str, _Option] = {
    # Ollama's sampling options (api/types.go), with llama-server's names where they differ
    "seed": _Option(checks.seed),
    "temperature": _Option(checks.number(0)),
    "top_k": _Option(checks.integer()),
    "top_p": _Option(checks.number(0, 1)),
    "min_p": _Option(checks.number(0, 1)),
    "typical_p": _Option(checks.number(0, 1)),
    "repeat_last_n": _Option(checks.integer(-1)),
    "repeat_penalty": _Option(checks.repeat_penalty),
    "presence_penalty": _Option(checks.number(-2, 2)),
    "frequency_penalty": _Option(checks.number(-2, 2)),
    "mirostat": _Option(checks.integer(0, 2)),
    "mirostat_tau": _Option(checks.number(0)),
    "mirostat_eta": _Option(checks.number(0)),
    "num_predict": _Option(checks.at_most, _OWN),
    "num_keep": _Option(checks.integer(-1), _OWN),
    "stop": _Option(checks.texts(256), _OWN),
    # Ollama's runner options, each a field of RunnerOptions
    **{
        name: _Option(checks.integer(*bounds) if bounds else checks.boolean, _RUNNER) for name, bounds in BOUNDS.items()
    },
    # what else the engine can do
    "xtc_probability": _Option(checks.number(0, 1)),
    "xtc_threshold": _Option(checks.number(0, 1)),
    "dry_multiplier": _Option(checks.number(0)),
    "dry_base": _Option(checks.number(0)),
    "dry_allowed_length": _Option(checks.integer(0)),
    "dry_penalty_last_n": _Option(checks.integer(-1)),
    "dry_sequence_breakers": _Option(checks.texts(32, least=1)),
    "top_n_sigma": _Option(checks.number()),
    "dynatemp_range": _Option(checks.number(0)),
    "dynatemp_exponent": _Option(checks.number(0)),
    "min_keep": _Option(checks.integer(0)),
    "logit_bias": _Option(checks.logit_bias),
    "ignore_eos": _Option(checks.boolean),
    "samplers": _Option(checks.samplers),
    "grammar": _Option(checks.text),
    "lora": _Option(checks.adapters),
    # Puna's own: a model's defaults for fields that a request leaves out (PARAMETER think false)
    "think": _Option(checks.think, _OWN),
    "truncate": _Option(checks.boolean, _OWN),
    "shift": _Option(checks.boolean, _OWN),
    "thinking_budget": _Option(checks.integer(-1), _OWN),
}

_OBSOLETE = frozenset(["tfs_z", "penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only"])
"""Options that Ollama once had and now passes over; a model's parameters may still hold them."""

_DEFAULT_SAMPLING: Mapping[str, Any] = {
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_last_n": 64,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": -1,
}
"""Ollama's defaults (``DefaultOptions``). It penalises no repetition by itself any more (its pull request 17679)."""

OPTION_NAMES = tuple(_OPTIONS)
"""The name of every option, in the order in which the documentation lists them."""
