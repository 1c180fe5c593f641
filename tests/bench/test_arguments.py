"""What the programs of the bench take in common."""

import argparse
import sys
from pathlib import Path

import pytest
from bench.arguments import add_engine


def _engine(*asked: str) -> str | None:
    parser = argparse.ArgumentParser()
    add_engine(parser)
    engine: str | None = parser.parse_args(asked).engine
    return engine


def test_an_engine_is_a_program_or_not_given() -> None:
    assert _engine() is None
    assert _engine("--engine", sys.executable) == sys.executable


@pytest.mark.parametrize("asked", ["", "none", str(Path(__file__).parent), __file__])
def test_what_is_no_program_is_refused(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _engine("--engine", asked)
    assert "is no program" in capsys.readouterr().err
