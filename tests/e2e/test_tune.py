"""``puna tune``, as a user types it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.server import Server, World, free_port, is_runner, wait_for

from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.names import parse_name
from puna.scheduler.tuned import Tuned

Serve = Callable[..., Server]


@pytest.fixture
def alone(world: World) -> World:
    """A world where no server runs."""
    world.environment |= {"OLLAMA_HOST": f"127.0.0.1:{free_port()}", "OLLAMA_CONTEXT_LENGTH": "512"}
    return world


def results(world: World) -> list[Path]:
    return sorted((world.home / ".puna" / "tuning").glob("*"))


def test_what_is_measured_is_what_a_running_server_then_does(serve: Serve) -> None:
    server = serve()
    world = server.world
    done = world.run("tune", "cria", "--seconds", "2")
    assert done.returncode == 0, done.stderr
    assert "threads, reading" in done.stdout
    assert "Stored." in done.stdout
    (path,) = results(world)
    tuned = Tuned.parse(json.loads(path.read_text())["tuned"])
    assert tuned.threads >= 1
    assert tuned.micro_batch >= 128
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(tuned) in world.run("tune", "--show").stdout
    server.ask("/api/generate", {"model": "cria", "prompt": "x", "stream": False, "options": {"num_predict": 2}})
    assert f"cria:latest is loaded as measured: {tuned}" in server.log()


def test_what_is_stored_can_be_removed(alone: World) -> None:
    done = alone.run("tune", "cria", "--seconds", "5", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["stored"]["model"] == "cria:latest"
    assert {"setting", "tried", "ratios"} <= set(told["findings"][0])
    assert len(results(alone)) == 1
    done = alone.run("tune", "cria", "--reset")
    assert (done.returncode, done.stdout) == (0, "removed 1\n")
    assert results(alone) == []
    assert alone.run("tune", "--reset").stdout == "removed 0\n"


def test_an_interrupted_measurement_stores_nothing_and_leaves_no_process(alone: World) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "tune", "cria", "--seconds", "100"],
        env=alone.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    wait_for(lambda: list(alone.temporary.rglob("engine.sock")), what="a runner that knows where its socket lies")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: nothing is stored" in errors
    assert "Traceback" not in errors
    assert results(alone) == []


def test_a_killed_measurement_leaves_no_process(alone: World) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "tune", "cria", "--seconds", "100"],
        env=alone.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: any(map(is_runner, alone.processes())), what="a runner, which has not been told much yet")
    process.kill()
    process.wait(10)
    wait_for(lambda: not alone.leftovers(), what="the end of all that it started")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "which model?"),
        (("nosuch",), "model 'nosuch' not found"),
        (("cria", "--draft", "nosuch"), "model 'nosuch' not found"),
        (("cria", "--draft", "other"), "has another vocabulary than"),
    ],
)
def test_what_cannot_be_measured_is_told(alone: World, arguments: tuple[str, ...], message: str) -> None:
    if "other" in arguments:
        make_other(alone.models)
    done = alone.run("tune", *arguments)
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("Error: ")
    assert message in error
    assert results(alone) == []


def make_other(models: Path) -> None:
    """Make a model whose list of tokens differs in one."""
    library = Library(models)
    content = library.get("cria").path.read_bytes()
    other = content.replace(b"assist", b"resist", 1)
    assert other != content
    with library.blobs.writer() as writer:
        writer.write(other)
        digest = writer.commit()
    create(library, parse_name("other"), Recipe(files={"x.gguf": digest}), lambda _: None, lambda: False)


def test_a_server_with_models_in_memory_is_a_warning(server: Server, world: World) -> None:
    server.ask("/api/generate", {"model": "cria", "prompt": "x", "stream": False, "options": {"num_predict": 1}})
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    done = world.run("tune", "cria", "--seconds", "1")
    assert "flash attention" in done.stdout  # it goes on, as far as a second lasts
    assert f"the server at http://127.0.0.1:{server.port} has " in done.stderr
    assert "cria:latest" in done.stderr
