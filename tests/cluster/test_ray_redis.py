"""A first machine that dies and comes back while a Redis keeps what Ray knows of the cluster."""

import contextlib
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.cluster.lab import Lab
from tests.server import free_port, wait_for

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra cluster)"),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]
SHORT = {"num_predict": 16, "ignore_eos": True, "temperature": 0}


@contextlib.contextmanager
def redis(directory: Path) -> Iterator[str]:
    """Give the address of a Redis that lasts as long as the context."""
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: b"Ready to accept connections" in (directory / "log").read_bytes(), what="Redis")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with redis(tmp_path) as address, Lab({"RAY_REDIS_ADDRESS": address}) as made:
        made.add(1)
        yield made


def generate(lab: Lab) -> requests.Response:
    body = {"model": "cria", "prompt": "Hello", "stream": False, "options": SHORT}
    return requests.post(f"{lab.url}/api/generate", json=body, timeout=300)


def names(lab: Lab) -> dict[str, str]:
    """Return the name of the node at each address."""
    return {node["address"]: node["node"] for node in lab.nodes()}


def test_nodes_go_on_while_the_first_machine_comes_back(lab: Lab) -> None:
    other = lab.machines[1]
    assert lab.run("cluster", "drain", lab.head.address).returncode == 0
    assert generate(lab).status_code == 200
    before = names(lab)
    runners = {process.pid for process in other.processes("puna.engine.embedded")}
    lab.restart_head()
    wait_for(lambda: len(lab.nodes()) == len(lab.machines), 300, "the cluster to be whole")
    assert names(lab)[other.address] == before[other.address], "it was started anew"
    assert runners & {process.pid for process in other.processes("puna.engine.embedded")}
    assert generate(lab).status_code == 200
