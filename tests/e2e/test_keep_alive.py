"""``keep_alive`` and ``/api/ps``: what is in memory, how big, with which context and until when."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.conftest import Serve
from tests.server import Server, wait_for


def seconds_left(entry: dict[str, Any]) -> float:
    # Python 3.11 reads six digits of a second at most; Go writes nine.
    text = re.sub(r"(\.\d{6})\d+", r"\1", entry["expires_at"])
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


def test_loaded_model_is_described(server: Server) -> None:
    server.ask("/api/generate", {"model": "cria"})
    entry = server.loaded()["cria:latest"]
    (listed,) = [model for model in server.get("/api/tags").json()["models"] if model["name"] == "cria:latest"]
    assert entry["model"] == "cria:latest"
    assert entry["digest"] == listed["digest"]
    assert listed["details"] == entry["details"] | {"context_length": 8192, "embedding_length": 256}
    assert entry["size"] > listed["size"]
    assert entry["size_vram"] == 0
    assert entry["context_length"] == 2048
    parts = entry["memory"]
    assert 0 < parts["weights"] <= listed["size"]
    assert 0 < parts["contexts"] <= entry["size"] - parts["weights"]
    assert 0 < parts["used"] < entry["size"]


@pytest.mark.parametrize(
    ("keep_alive", "seconds"),
    [
        (90, 90),
        (90.5, 90),
        ("2m", 120),
        ("1h30m", 5400),
        ("120", 120),
        (None, 300),
        (-1, 1e9),
        (1e300, 1e9),
        ("3000000h", 1e9),
        ("-1m", 1e9),
        (-0.5, 1e9),
    ],
)
def test_until_when(server: Server, keep_alive: Any, seconds: float) -> None:
    body = {"model": "cria", "keep_alive": keep_alive}
    server.ask("/api/generate", body)
    left = seconds_left(server.loaded()["cria:latest"])
    assert left > 1e9 if seconds == 1e9 else left == pytest.approx(seconds, abs=20)


def test_every_route_keeps_alive(server: Server) -> None:
    options = {"num_predict": 1}
    for path, body in (
        ("generate", {"prompt": "x", "stream": False, "options": options}),
        ("chat", {"messages": [{"role": "user", "content": "x"}], "stream": False, "options": options}),
        ("embed", {"input": "x"}),
        ("embeddings", {"prompt": "x"}),
    ):
        server.ask("/api/generate", {"model": "cria", "keep_alive": "5m"})
        server.ask(f"/api/{path}", {"model": "cria", "keep_alive": "3h"} | body)
        assert seconds_left(server.loaded()["cria:latest"]) == pytest.approx(10800, abs=30), path


def test_zero_unloads_after_the_answer(server: Server) -> None:
    body = {"model": "cria", "prompt": "x", "stream": False, "options": {"num_predict": 2}}
    server.ask("/api/generate", {**body, "keep_alive": "5m"})
    before = len(server.runners())
    assert server.ask("/api/generate", {**body, "keep_alive": 0})["done"] is True
    wait_for(lambda: "cria:latest" not in server.loaded(), what="the model to leave")
    wait_for(lambda: len(server.runners()) < before, what="the runner to end")


@pytest.mark.parametrize("zero", [0, "0", "0s"])
def test_zero_without_a_prompt_unloads(server: Server, zero: Any) -> None:
    server.ask("/api/generate", {"model": "cria"})
    assert server.ask("/api/generate", {"model": "cria", "keep_alive": zero})["done_reason"] == "unload"
    assert "cria:latest" not in server.loaded()


def test_short_time_runs_out(server: Server) -> None:
    server.ask("/api/generate", {"model": "cria", "keep_alive": "100ms"})
    wait_for(lambda: "cria:latest" not in server.loaded(), what="the model to leave")


def test_unloading_what_is_not_loaded(server: Server) -> None:
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0})
    assert server.ask("/api/generate", {"model": "cria", "keep_alive": 0})["done_reason"] == "unload"


@pytest.mark.parametrize("wrong", ["soon", "5 minutes", "", "1x", "nan"])
def test_no_duration_is_named(server: Server, wrong: str) -> None:
    response = server.post("/api/generate", {"model": "cria", "prompt": "x", "keep_alive": wrong})
    assert response.status_code == 400
    assert "invalid duration" in response.json()["error"]


def test_setting_is_the_default(serve: Serve) -> None:
    server = serve({"OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_CONTEXT_LENGTH": "256", "OLLAMA_NUM_PARALLEL": "1"})
    server.ask("/api/generate", {"model": "cria"})
    entry = server.loaded()["cria:latest"]
    assert seconds_left(entry) > 1e9
    assert entry["context_length"] == 256
