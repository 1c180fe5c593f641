"""Ray on one machine, as far as that needs no Ray."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

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
