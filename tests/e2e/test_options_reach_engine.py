"""Each sampling option, held against what the real engine says it was given."""

from typing import Any

import pytest
from tests.system import require_native

from puna import builtin
from puna.engine.config import RunnerConfig
from puna.engine.runner import Runner
from puna.inference.engine_body import common_body
from puna.inference.options import OPTION_NAMES, Options
from puna.inference.requests import Completion, GenerationRequest
from puna.models.library import Library

CONTEXT = 256
SAMPLERS = ["adaptive_p", "penalties", "infill", "xtc", "temperature", "min_p"]
SAMPLERS += ["top_n_sigma", "top_p", "typ_p", "top_k", "dry"]
TABLE: dict[str, tuple[Any, str, Any]] = {
    "seed": (12345, "seed", 12345),
    "temperature": (0.625, "temperature", 0.625),
    "top_k": (17, "top_k", 17),
    "top_p": (0.75, "top_p", 0.75),
    "min_p": (0.125, "min_p", 0.125),
    "typical_p": (0.875, "typical_p", 0.875),
    "repeat_last_n": (33, "repeat_last_n", 33),
    "repeat_penalty": (1.25, "repeat_penalty", 1.25),
    "presence_penalty": (0.5, "presence_penalty", 0.5),
    "frequency_penalty": (0.25, "frequency_penalty", 0.25),
    "mirostat": (2, "mirostat", 2),
    "mirostat_tau": (4.5, "mirostat_tau", 4.5),
    "mirostat_eta": (0.375, "mirostat_eta", 0.375),
    "num_predict": (3, "n_predict", 3),
    "num_keep": (7, "n_keep", 7),
    "xtc_probability": (0.0625, "xtc_probability", 0.0625),
    "xtc_threshold": (0.25, "xtc_threshold", 0.25),
    "dry_multiplier": (0.5, "dry_multiplier", 0.5),
    "dry_base": (1.5, "dry_base", 1.5),
    "dry_allowed_length": (5, "dry_allowed_length", 5),
    "dry_penalty_last_n": (77, "dry_penalty_last_n", 77),
    "dry_sequence_breakers": (["~", "^"], "dry_sequence_breakers", ["~", "^"]),
    "top_n_sigma": (2.5, "top_n_sigma", 2.5),
    "dynatemp_range": (0.5, "dynatemp_range", 0.5),
    "dynatemp_exponent": (1.5, "dynatemp_exponent", 1.5),
    "min_keep": (2, "min_keep", 2),
    "ignore_eos": (True, "ignore_eos", True),
    "samplers": (SAMPLERS, "samplers", SAMPLERS),
}
NOT_TOLD = {"dry_sequence_breakers"}
"""What an engine may leave out of its account."""
ELSEWHERE = {
    "num_ctx",
    "draft_num_predict",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "use_mmap",
    "use_mlock",
    "numa",
} | {
    "logit_bias",
    "grammar",
    "stop",
    "lora",  # tests/e2e/test_adapters.py
    "think",
    "thinking_budget",
    "truncate",
    "shift",
}


def test_every_option_is_in_the_table_or_known_to_go_elsewhere() -> None:
    assert TABLE.keys() | ELSEWHERE == set(OPTION_NAMES)


@pytest.mark.parametrize("engine", ["portable", "native"])
async def test_the_engine_has_each_option_as_it_was_sent(engine: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    model = Library(builtin.STORE).get(builtin.CRIA)
    program = require_native() if engine == "native" else ""
    config = RunnerConfig(model_path=str(model.path), engine=program, context=CONTEXT, threads=1, embedding=False)
    runner = await Runner.start("cria", config, tmp_path_factory.getbasetemp(), load_timeout=60)
    try:
        for name, (value, told, expected) in TABLE.items():
            settings = await _settings(runner, {name: value})
            if told not in settings:
                assert name in NOT_TOLD, f"{name}: the engine does not know {told}"
                continue
            assert settings[told] == pytest.approx(expected) if _is_number(expected) else settings[told] == expected, (
                name,
                settings[told],
            )
        everything = await _settings(runner, {name: row[0] for name, row in TABLE.items()})
        for name, (_, told, expected) in TABLE.items():
            if told in everything and _is_number(expected):
                assert everything[told] == pytest.approx(expected), name
        clamped = await _settings(runner, {"dry_penalty_last_n": 2**31 - 1, "repeat_last_n": -1})
        assert (clamped["dry_penalty_last_n"], clamped["repeat_last_n"]) == (CONTEXT, CONTEXT)
    finally:
        await runner.stop()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def _settings(runner: Runner, options: dict[str, Any]) -> dict[str, Any]:
    """Return what the engine says of a request with these options."""
    model = Library(builtin.STORE).get(builtin.CRIA)
    asked = GenerationRequest(
        model=model,
        name="cria",
        input=Completion(prompt="x"),
        options=Options.merge({"num_predict": 1, "num_keep": 4}, options),
    )
    body = common_body(asked, CONTEXT) | {"prompt": [5, 6], "stream": False}
    answer: dict[str, Any] = await runner.client.complete(body)
    settings: dict[str, Any] = answer["generation_settings"]
    return settings
