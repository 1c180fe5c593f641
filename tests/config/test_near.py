"""Variables that look like settings and are none."""

import pytest

from puna.config.near import unknown_variables
from puna.settings import SETTINGS

KNOWN = [entry.variable for entry in SETTINGS]


def warnings(*names: str) -> list[str]:
    return list(unknown_variables(dict.fromkeys(names, "hunter2"), KNOWN))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("OLLAMA_KEEPALIVE", "OLLAMA_KEEP_ALIVE"),
        ("PUNA_KEEP_ALIVE", "OLLAMA_KEEP_ALIVE"),
        ("ollama_host", "OLLAMA_HOST"),
        ("PUNA_MIRROR", "PUNA_MIRRORS"),
        ("OLLAMA_NUM_PARALEL", "OLLAMA_NUM_PARALLEL"),
    ],
)
def test_nearest_is_named(name: str, near: str) -> None:
    assert warnings(name) == [f"{name!r} is no setting; did you mean {near}?"]


def test_nothing_near() -> None:
    assert warnings("PUNA_XYZZYX") == ["'PUNA_XYZZYX' is no setting"]


def test_settings_of_ollama_alone() -> None:
    assert warnings("OLLAMA_SCHED_SPREAD") == ["OLLAMA_SCHED_SPREAD is a setting of Ollama that Puna does not have"]


def test_known_and_foreign_ones_are_fine() -> None:
    assert warnings(*KNOWN, "HOME", "PUNATIVE", "OLLAMA_SERVICE_HOST", "OLLAMA_PORT_11434_TCP_ADDR") == []


def test_there_is_an_end() -> None:
    said = warnings(*(f"PUNA_XYZZY{number}" for number in range(50)))
    assert len(said) == 21
    assert said[-1] == "30 more variables are no settings"
