"""What is said of an engine that would be faster: measured factors only, and not to whoever has chosen."""

from pathlib import Path

import pytest

from puna.engine import gain as gains
from puna.engine import processor
from puna.engine.engines import About, Engines


@pytest.mark.parametrize(
    ("has", "used", "factor"),
    [
        (("AVX2", "AVX512", "AVX512_VNNI"), ("AVX2",), 2.1),
        (("AVX2", "AVX512_VNNI", "AMX_INT8"), ("AVX2", "AVX512_VNNI", "AMX_INT8"), 0),
        (("AVX2",), ("AVX2",), 0),
        (("AVX2", "AVX_VNNI"), ("AVX2",), 0),
    ],
)
def test_only_what_was_measured_is_claimed(
    has: tuple[str, ...], used: tuple[str, ...], factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "instructions", lambda: has)
    found = gains.gain(used)
    assert (found.factor, bool(found)) == (factor, bool(factor))
    assert len(gains.advice(found)) <= 80


def test_who_has_chosen_or_built_hears_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "instructions", lambda: ("AVX512_VNNI",))
    assert gains.may_gain(Engines(tmp_path))
    assert not gains.may_gain(Engines(tmp_path, "portable"))
    made = tmp_path / "made"
    made.mkdir()
    (tmp_path / "engines").mkdir()
    Engines(tmp_path).install(made, "native", About(source="x", version="1"))
    assert not gains.may_gain(Engines(tmp_path))
