"""The options of a request: Ollama's ``Options`` and every further sampler that the engine has.

Each option is one row of ``_OPTIONS``: its type, its range and what the engine calls it. Values come from the model's
parameters and from the request, the request's winning; a wrong one is an error that names it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from puna.errors import BadRequestError
from puna.scheduler.options import RunnerOptions


class InvalidOptionError(BadRequestError):
    """An option has a value of the wrong type or range."""

    def __init__(self, name: str, requirement: str) -> None:
        super().__init__(f'option "{name}" must be {requirement}')


@dataclass(frozen=True, slots=True)
class Options:
    """All options of one request, checked.

    ``sampling`` holds what goes to the engine as it is, under the engine's names. ``num_predict`` is the number of
    tokens to generate at most, negative for no limit of the request's own. ``think``, ``truncate`` and ``shift`` are
    the model's defaults for requests that do not say. ``unknown`` are names that nothing here knows.
    """

    sampling: Mapping[str, Any] = field(default_factory=lambda: dict(_DEFAULT_SAMPLING))
    runner: RunnerOptions = field(default_factory=RunnerOptions)
    num_predict: int = -1
    num_keep: int = 4
    stop: tuple[str, ...] = ()
    think: bool | str | None = None
    truncate: bool = True
    shift: bool = True
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
_Check = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class _Option:
    check: _Check
    group: str = _SAMPLING
    engine_name: str = ""


def _integer(low: int = -(2**31), high: int = 2**32 - 1) -> _Check:
    def check(name: str, value: Any) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and not (isinstance(value, float) and value.is_integer()):
            raise InvalidOptionError(name, "of type integer")
        if not low <= value <= high:
            raise InvalidOptionError(name, _range_text(value, low, high, (-(2**31), 2**32 - 1)))
        return int(value)

    return check


def _number(low: float = -math.inf, high: float = math.inf) -> _Check:
    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidOptionError(name, "of type float32")
        if not low <= value <= high:
            raise InvalidOptionError(name, _range_text(value, low, high, (-math.inf, math.inf)))
        return float(value)

    return check


def _range_text(value: float, low: float, high: float, open_ends: tuple[float, float]) -> str:
    """Say which range ``value`` is out of: both ends where an option has both, else the end that it is beyond."""
    if low != open_ends[0] and high != open_ends[1]:
        return f"between {low} and {high}"
    return f"at least {low}" if value < low else f"at most {high}"


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidOptionError(name, "of type boolean")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidOptionError(name, "of type string")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(item, str) for item in values):
        raise InvalidOptionError(name, "of an array of strings")
    return tuple(item for item in values if item)


_SAMPLER_NAMES = frozenset(
    [
        "dry",
        "top_k",
        "typ_p",
        "top_p",
        "top_n_sigma",
        "min_p",
        "temperature",
        "xtc",
        "infill",
        "penalties",
        "adaptive_p",
    ]
)


def _samplers(name: str, value: Any) -> list[str]:
    values = list(_texts(name, value))
    wrong = [item for item in values if item not in _SAMPLER_NAMES]
    if wrong:
        raise InvalidOptionError(name, f"an array of {', '.join(sorted(_SAMPLER_NAMES))}; not {wrong[0]!r}")
    return values


def _logit_bias(name: str, value: Any) -> list[list[Any]]:
    """Return the engine's form, ``[[token, bias], …]``; a token is an id or text, bias ``false`` forbids it."""
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise InvalidOptionError(name, "an object or an array of [token, bias] pairs")
    result = []
    for token, bias in pairs:
        if isinstance(token, bool) or not isinstance(token, int | str):
            raise InvalidOptionError(name, "given for token ids or texts")
        if bias is not False and (isinstance(bias, bool) or not isinstance(bias, int | float)):
            raise InvalidOptionError(name, "given as numbers, or false to forbid a token")
        result.append([int(token) if isinstance(token, str) and token.isdecimal() else token, bias])
    return result


def _think(name: str, value: Any) -> bool | str:
    if not isinstance(value, bool) and value not in ("low", "medium", "high", "max"):
        raise InvalidOptionError(name, 'a boolean or one of "low", "medium", "high", "max"')
    checked: bool | str = value
    return checked


_OPTIONS: Mapping[str, _Option] = {
    # Ollama's sampling options (api/types.go), with llama-server's names where they differ
    "seed": _Option(_integer()),
    "temperature": _Option(_number(0)),
    "top_k": _Option(_integer()),
    "top_p": _Option(_number(0, 1)),
    "min_p": _Option(_number(0, 1)),
    "typical_p": _Option(_number(0, 1)),
    "repeat_last_n": _Option(_integer(-1)),
    "repeat_penalty": _Option(_number(0)),
    "presence_penalty": _Option(_number(-2, 2)),
    "frequency_penalty": _Option(_number(-2, 2)),
    "mirostat": _Option(_integer(0, 2)),
    "mirostat_tau": _Option(_number(0)),
    "mirostat_eta": _Option(_number(0)),
    "num_predict": _Option(_integer(), _OWN),
    "num_keep": _Option(_integer(-1), _OWN),
    "stop": _Option(_texts, _OWN),
    # Ollama's runner options
    "num_ctx": _Option(_integer(0, 2**31 - 1), _RUNNER),
    "num_batch": _Option(_integer(1, 2**20), _RUNNER),
    "num_gpu": _Option(_integer(-1), _RUNNER),
    "main_gpu": _Option(_integer(0), _RUNNER),
    "num_thread": _Option(_integer(0, 1024), _RUNNER),
    "use_mmap": _Option(_boolean, _RUNNER),
    "use_mlock": _Option(_boolean, _RUNNER),
    "numa": _Option(_boolean, _RUNNER),
    "draft_num_predict": _Option(_integer(0, 256), _RUNNER),
    # what else the engine can do
    "xtc_probability": _Option(_number(0, 1)),
    "xtc_threshold": _Option(_number(0, 1)),
    "dry_multiplier": _Option(_number(0)),
    "dry_base": _Option(_number(0)),
    "dry_allowed_length": _Option(_integer(0)),
    "dry_penalty_last_n": _Option(_integer(-1)),
    "dry_sequence_breakers": _Option(_texts),
    "top_n_sigma": _Option(_number()),
    "dynatemp_range": _Option(_number(0)),
    "dynatemp_exponent": _Option(_number(0)),
    "min_keep": _Option(_integer(0)),
    "logit_bias": _Option(_logit_bias),
    "ignore_eos": _Option(_boolean),
    "samplers": _Option(_samplers),
    "grammar": _Option(_text),
    # Puna's own: a model's defaults for fields that a request leaves out (PARAMETER think false)
    "think": _Option(_think, _OWN),
    "truncate": _Option(_boolean, _OWN),
    "shift": _Option(_boolean, _OWN),
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
