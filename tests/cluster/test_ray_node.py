"""Ray on one machine, as far as that needs no Ray."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.server import Server, World

from puna.cluster import ray_node
from puna.settings import Settings


def test_a_second_start_that_fails_leaves_the_first_one_to_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(Settings.from_env({}), home=tmp_path)
    token = ray_node.token_of(settings)
    (tmp_path / "cluster" / "pid").write_text("123")

    def begun(_command: list[str], _token: str, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("wb") as file:
            return subprocess.Popen([sys.executable, "-c", "raise SystemExit('the port is taken')"], stderr=file)

    monkeypatch.setattr(ray_node, "_begun", begun)
    with pytest.raises(ray_node.ClusterError, match="the port is taken"), ray_node.ray_node(settings, token, []):
        pass
    assert (tmp_path / "cluster" / "pid").read_text() == "123"


def test_a_process_that_has_the_number_of_one_that_was_killed_is_left_alone(world: World) -> None:
    number = world.home / ".puna" / "cluster" / "pid"
    number.parent.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as another:
        number.write_text(f"{another.pid} {psutil.Process(another.pid).create_time() - 60}")
        done = world.run("cluster", "stop")
        assert (done.returncode, done.stderr) == (1, "Error: no part of a cluster runs here\n")
        number.write_text(f"{another.pid} {psutil.Process(another.pid).create_time()}")
        assert world.run("cluster", "stop").returncode == 0
        assert another.wait(10) == -signal.SIGTERM


def test_a_server_that_is_no_cluster_is_told_so(server: Server, world: World) -> None:
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    for command in (["status"], ["drain", "a"]):
        assert world.run("cluster", *command).stderr == (
            f"Error: the server at http://127.0.0.1:{server.port} is no cluster (puna cluster start)\n"
        )
