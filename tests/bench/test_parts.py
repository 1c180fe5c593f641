"""The parts of the suite on small models: a server of their own, the engine alone, and another server as a peer."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from bench.models import make
from bench.parts import agent, embeddings, first_token, loading, neighbour, prompts, speed, streams
from bench.subjects import CRIA, Bench, Rounds
from tests.bench.shapes import SMALL
from tests.server import Server

from puna.models.library import Library

Measure = Callable[[Bench, Rounds], Awaitable[None]]
PARTS: dict[Measure, set[str]] = {
    speed.measure: {"puna", "engine alone", "peer"},
    streams.measure: {"puna", "peer"},
    prompts.measure: {"puna", "peer"},
    first_token.measure: {"puna", "peer"},
    agent.measure: {"puna"},
    neighbour.measure: {"puna", "peer"},
    loading.measure: {"puna", "peer"},
    embeddings.measure: {"puna", "peer"},
}


@pytest.mark.parametrize("measure", PARTS, ids=lambda measure: measure.__module__)
async def test_every_subject_is_measured(
    measure: Measure, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "_COUNTS", (1, 2))
    monkeypatch.setattr(prompts, "_PROMPT", 300)
    monkeypatch.setattr(agent, "_INSTRUCTIONS", 300)
    monkeypatch.setattr(streams, "_COUNTS", (1, 2))
    built_in = Library(tmp_path / "none").get(CRIA).path
    bench = Bench(
        models={CRIA: built_in, "bench-part": make(SMALL, tmp_path / "m.gguf")},
        home=tmp_path / "home",
        peers={"peer": server.url},
        quick=True,
    )
    rounds = Rounds("part")
    await measure(bench, rounds)
    series = rounds.series()
    assert {entry.subject for entry in series} == PARTS[measure]
    assert all(value > 0 for entry in series for value in entry.values)
    assert "bench-part" not in server.get("/api/tags").text, "a peer keeps what it had, and no more"
