"""What changes while a cluster of real Ray nodes runs: versions, its processes, its first machine."""

import importlib.util
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.cluster.lab import Lab
from tests.server import SOURCE, wait_for

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra cluster)"),
]
SHORT = {"num_predict": 16, "ignore_eos": True, "temperature": 0}


def source(lab: Lab, name: str, file: str, before: str, after: str) -> Path:
    """Return a copy of Puna's source with one change."""
    place = lab.root / name
    shutil.copytree(SOURCE, place, ignore=shutil.ignore_patterns("__pycache__"))
    text = (place / file).read_text(encoding="utf-8")
    assert before in text
    (place / file).write_text(text.replace(before, after), encoding="utf-8")
    return place


def generate(lab: Lab, **options: Any) -> requests.Response:
    body = {"model": "cria", "prompt": "Hello", "stream": False, "options": SHORT | options}
    return requests.post(f"{lab.url}/api/generate", json=body, timeout=300)


class Clients:
    """Ask again and again, and keep how each request ended. Use it as a context manager."""

    def __init__(self, lab: Lab, count: int) -> None:
        self.ends: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(lab,), daemon=True) for _ in range(count)]

    def _ask(self, lab: Lab) -> None:
        while not self._over.is_set():
            try:
                response = generate(lab)
                good = response.status_code == 200 and response.json()["eval_count"] == SHORT["num_predict"]
                self.ends.append("answered" if good else response.text)
            except requests.RequestException as error:
                self.ends.append(str(error))

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(300)


def test_a_rolling_update_drops_no_request(lab: Lab) -> None:
    assert generate(lab).status_code == 200
    before = {node["node"] for node in lab.nodes()}
    long: list[requests.Response] = []
    stream = threading.Thread(target=lambda: long.append(generate(lab, num_predict=1500, num_ctx=2048)))
    with Clients(lab, 2) as clients:
        stream.start()
        wait_for(lambda: len(clients.ends) > 2, what="requests")
        updated = lab.run("cluster", "update", timeout=500)
        assert updated.returncode == 0, updated.stderr
        wait_for(lambda: not before & {node["node"] for node in lab.nodes()}, 400, "new nodes")
        wait_for(lambda: len(lab.nodes()) == len(lab.machines), 400, "the cluster to be whole")
        stream.join(300)
    assert set(clients.ends) == {"answered"}
    assert long[0].json()["eval_count"] == 1500


def _ready_holders(lab: Lab) -> list[str]:
    return [node["address"] for node in lab.nodes() if node["models"] and node["state"] == "ready"]


def test_a_node_of_another_version_is_shown_and_answers_and_one_of_another_protocol_does_not(lab: Lab) -> None:
    version = source(lab, "version", "puna/__init__.py", "__version__ = ", "__version__ = '0.0.1' or ")
    protocol = source(lab, "protocol", "puna/cluster/state.py", "PROTOCOL = 2", "PROTOCOL = 99")
    older = lab.start(PYTHONPATH=str(version))
    foreign = lab.start(PYTHONPATH=str(protocol))
    lab.wait_joined([older, foreign])
    shown = {node["address"]: node for node in lab.nodes()}
    assert (shown[older.address]["version"], shown[older.address]["state"]) == ("0.0.1", "ready")
    assert shown[foreign.address]["state"] == "another protocol"
    told = lab.run("cluster", "status").stdout
    assert "0.0.1 (other)" in told
    assert "another protocol" in told
    for machine in lab.machines:
        if machine not in (older, foreign):
            assert lab.run("cluster", "drain", machine.address).returncode == 0
    wait_for(lambda: [node["state"] for node in lab.nodes()].count("ready") == 1, what="draining")
    assert generate(lab).status_code == 200
    wait_for(lambda: _ready_holders(lab) == [older.address], what="the node to tell of the model")
    assert lab.run("cluster", "drain", older.address).returncode == 0
    wait_for(lambda: not [node for node in lab.nodes() if node["state"] == "ready"], what="draining")
    refused = generate(lab)
    assert (refused.status_code, refused.json()["error"]) == (503, "no node of the cluster can answer now")
    for machine in lab.machines:
        assert lab.run("cluster", "drain", machine.address, "--undo").returncode == 0
    assert generate(lab).status_code == 200


def test_machines_join_again_when_the_first_one_is_back(lab: Lab) -> None:
    made = {"model": "mine", "from": "cria", "template": "{{ .Prompt }}!", "stream": False}
    assert requests.post(f"{lab.url}/api/create", json=made, timeout=120).status_code == 200
    lab.restart_head()
    wait_for(lambda: len(lab.nodes()) == len(lab.machines), 500, "the cluster to be whole")
    assert generate(lab).status_code == 200
    assert "mine:latest" in [
        model["name"] for model in requests.get(f"{lab.url}/api/tags", timeout=60).json()["models"]
    ]
