"""Clusters of real Ray nodes: commands, every dialect, faults."""

import hashlib
import importlib.util
import json
import re
import shlex
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from tests.cluster.lab import MACHINES, Lab
from tests.guide.test_guide import CLUSTER, blocks
from tests.server import wait_for

import puna.builtin

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra cluster)"),
]
SMALL = 10_000
"""More than a configuration and a template are together, which a node may have taken before another one asks."""
LONG = {"num_predict": 3000, "ignore_eos": True, "num_ctx": 4096, "temperature": 0}


def ask(lab: Lab, path: str, body: dict[str, Any], **more: Any) -> Any:
    response = lab.session.post(lab.url + path, json=body, timeout=120, **more)
    assert response.status_code == 200, response.text
    return response.json()


def test_status_tells_of_every_machine(lab: Lab) -> None:
    nodes = lab.nodes()
    assert {node["address"] for node in nodes} == {machine.address for machine in lab.machines}
    assert {node["state"] for node in nodes} == {"ready"}
    told = lab.run("cluster", "status")
    assert told.returncode == 0, told.stderr
    assert all(node["node"] in told.stdout for node in nodes)


def test_commands_of_the_guide_are_those_that_made_it(lab: Lab) -> None:
    start, join, status = (shlex.split(block.code) for block in blocks("machines") if block.mark == CLUSTER)
    head, other = (psutil.Process(machine.process.pid).cmdline() for machine in lab.machines[:2])
    assert head[head.index("puna") :][:3] == start
    assert other[other.index("puna") :][:3] == join[:3] and join[4:] == ["--token", "$TOKEN"]
    assert re.fullmatch(r"[\d.]+:\d+", join[3]) and re.fullmatch(r"[\d.]+:\d+", lab.join_address)
    assert lab.run(*status[1:]).returncode == 0


def test_who_has_no_token_cannot_join(lab: Lab) -> None:
    done = lab.run("cluster", "join", lab.join_address, "--token", "0" * 48)
    assert done.returncode == 1
    assert "Ray could not start" in done.stderr


def test_every_dialect_is_answered(lab: Lab) -> None:
    message = {"role": "user", "content": "Hello"}
    chat = ask(lab, "/api/chat", {"model": "cria", "messages": [message], "stream": False})
    assert chat["message"]["content"]
    assert ask(lab, "/api/generate", {"model": "cria", "prompt": "Hello", "stream": False})["response"]
    assert len(ask(lab, "/api/embed", {"model": "cria", "input": ["a", "b"]})["embeddings"]) == 2
    body = {"model": "cria", "messages": [message]}
    assert ask(lab, "/v1/chat/completions", body)["choices"][0]["message"]["content"]
    assert ask(lab, "/v1/completions", {"model": "cria", "prompt": "Hello"})["choices"][0]["text"]
    assert ask(lab, "/v1/responses", {"model": "cria", "input": "Hello"})["output"]
    assert ask(lab, "/v1/embeddings", {"model": "cria", "input": "a"})["data"]
    said = ask(lab, "/v1/messages", body | {"max_tokens": 50}, headers={"anthropic-version": "2023-06-01"})
    assert said["content"]
    counted = ask(lab, "/v1/messages/count_tokens", body, headers={"anthropic-version": "2023-06-01"})
    assert counted["input_tokens"] > 0
    tokens = ask(lab, "/api/tokenize", {"model": "cria", "content": "Hello"})["tokens"]
    assert ask(lab, "/api/detokenize", {"model": "cria", "tokens": tokens})["content"] == "Hello"
    assert lab.session.get(f"{lab.url}/api/ps", timeout=30).json()["models"][0]["name"] == "cria:latest"
    assert "puna_num_requests_running" in lab.session.get(f"{lab.url}/metrics", timeout=30).text
    assert lab.session.get(f"{lab.url}/", timeout=30, headers={"Accept": "text/html"}).text.startswith("<!")
    missing = lab.session.post(f"{lab.url}/api/chat", json={"model": "nobody"}, timeout=30)
    assert (missing.status_code, missing.json()["error"]) == (404, "model 'nobody' not found")
    listed = lab.run("list")
    assert "cria:latest" in listed.stdout
    assert lab.run("run", "cria", "Hello").stdout.strip()


def test_a_stream_comes_in_pieces(lab: Lab) -> None:
    body = {"model": "cria", "prompt": "Hello", "options": {"num_predict": 40, "ignore_eos": True}}
    with lab.session.post(f"{lab.url}/api/generate", json=body, stream=True, timeout=60) as response:
        lines = [json.loads(line) for line in response.iter_lines()]
    assert lines[-1]["done"] is True
    assert lines[-1]["eval_count"] == 40
    assert len(lines) > 5


def make_other_weights(lab: Lab, name: str) -> None:
    """Make a model whose weights no node has with the package."""
    builtin = Path(puna.builtin.__file__).parent / "models" / "blobs"
    weights = max(builtin.iterdir(), key=lambda path: path.stat().st_size).read_bytes()
    weights = weights.replace(b"A small model that ships with Puna", b"A small model that nobody else has", 1)
    digest = f"sha256:{hashlib.sha256(weights).hexdigest()}"
    stored = lab.session.post(f"{lab.url}/api/blobs/{digest}", data=weights, timeout=120)
    assert stored.status_code == 201, stored.text
    ask(lab, "/api/create", {"model": name, "files": {"model.gguf": digest}, "stream": False})


def test_a_model_goes_to_the_others_with_each_byte_leaving_its_origin_once(lab: Lab) -> None:
    make_other_weights(lab, "mine")
    listed = lab.session.get(f"{lab.url}/api/tags", timeout=30).json()["models"]
    size = next(model["size"] for model in listed if model["name"] == "mine:latest")
    assert lab.run("cluster", "drain", lab.head.address).returncode == 0
    wait_for(lambda: any(node["state"] == "draining" for node in lab.nodes()), what="draining")
    body = {"model": "mine", "prompt": "Hello", "stream": False, "options": {"num_predict": 64, "ignore_eos": True}}
    with ThreadPoolExecutor(8 * MACHINES) as pool:
        answers = list(pool.map(lambda at: ask(lab, "/api/generate", body | {"prompt": f"{at}"}), range(8 * MACHINES)))
    assert all(answer["eval_count"] == 64 for answer in answers)
    assert lab.run("cluster", "drain", lab.head.address, "--undo").returncode == 0
    time.sleep(1)  # for the next word of each node
    sent = {node["address"]: node["sent"] for node in lab.nodes()}
    copies = sum(
        (machine.root / "models/manifests/registry.ollama.ai/library/mine").exists() for machine in lab.machines
    )
    assert copies == len(lab.machines), "not all nodes were asked"
    assert size <= sent[lab.head.address] < size + SMALL
    assert size * MACHINES <= sum(sent.values()) < size * MACHINES + SMALL


class Client(threading.Thread):
    """Reads one long answer."""

    def __init__(self, lab: Lab, number: int, *, stream: bool = True, **options: int) -> None:
        super().__init__(daemon=True)
        self.lab, self.number, self.stream, self.options = lab, number, stream, LONG | options
        self.pieces: list[dict[str, Any]] = []
        self.ended = 0.0
        self.failure = ""

    def run(self) -> None:
        body = {"model": "cria", "prompt": f"Tell me {self.number}", "options": self.options}
        body["stream"] = self.stream
        try:
            with requests.post(f"{self.lab.url}/api/generate", json=body, stream=True, timeout=300) as response:
                for line in response.iter_lines():
                    self.pieces.append(json.loads(line))
        except requests.RequestException as error:
            self.failure = str(error)
        self.ended = time.monotonic()


def _running(lab: Lab) -> int:
    requests_here = lab.session.get(f"{lab.url}/api/queue", timeout=30).json()
    return len([entry for entry in requests_here["requests"] if entry["state"] == "running"])


def holders(lab: Lab) -> list[str]:
    return [node["address"] for node in lab.nodes() if node["models"]]


def test_a_machine_that_loses_its_power_ends_its_answers_within_two_seconds(lab: Lab) -> None:
    (doomed,) = lab.add(1)
    addresses = [machine.address for machine in lab.machines if machine is not doomed]
    for address in addresses:
        assert lab.run("cluster", "drain", address).returncode == 0
    wait_for(lambda: sum(node["state"] == "draining" for node in lab.nodes()) == len(addresses), what="draining")
    clients = [Client(lab, number) for number in range(2)]
    for client in clients:
        client.start()
    wait_for(lambda: all(len(client.pieces) > 3 for client in clients), what="answers to begin")
    wait_for(lambda: holders(lab).count(doomed.address) == 1, what="the node to tell of the model")
    for address in addresses:
        assert lab.run("cluster", "drain", address, "--undo").returncode == 0
    died = time.monotonic()
    lab.crash(doomed)
    for client in clients:
        client.join(30)
        assert client.ended - died < 3  # of which the look at the clock of a busy machine takes a part
        assert "was lost" in client.pieces[-1].get("error", ""), (client.pieces[-1], client.failure)
    assert ask(lab, "/api/generate", {"model": "cria", "prompt": "Hello", "stream": False})["response"]


def test_a_node_whose_process_dies_is_replaced(lab: Lab) -> None:
    victim = lab.machines[1]
    before = {node["node"] for node in lab.nodes()}
    for process in victim.processes("NodeHere"):
        process.send_signal(signal.SIGKILL)
    assert ask(lab, "/api/generate", {"model": "cria", "prompt": "Hello", "stream": False})["response"]
    wait_for(lambda: len({node["node"] for node in lab.nodes()} - before) == 1, 150, "a new node")
    wait_for(lambda: len(lab.nodes()) == len(lab.machines), 150, "the cluster to be whole")


def test_an_ingress_that_dies_comes_back_and_leaves_nobody_without_a_word(lab: Lab) -> None:
    streaming = Client(lab, 1)
    streaming.start()
    wait_for(lambda: len(streaming.pieces) > 3, what="an answer to begin")
    whole = Client(lab, 2, stream=False, num_predict=400)  # nothing of it comes before its end
    whole.start()
    wait_for(lambda: _running(lab) == 2, what="both to be answered")
    died = time.monotonic()
    for process in lab.head.processes(":ingress"):
        process.send_signal(signal.SIGKILL)
    streaming.join(30)
    assert streaming.ended - died < 3, "of which the look at the clock of a busy machine takes a part"
    assert (streaming.pieces[-1].get("error"), streaming.failure) == (
        "the process that answered the request was lost",
        "",
    )
    whole.join(300)
    assert whole.failure == ""
    assert whole.pieces[-1].get("eval_count") == 400, whole.pieces

    def answers() -> bool:
        try:
            return lab.session.get(f"{lab.url}/api/version", timeout=30).status_code == 200
        except requests.RequestException:
            return False

    wait_for(answers, 150, "the ingress")
    wait_for(lambda: len(lab.nodes()) == len(lab.machines), 150, "the cluster to be whole")
    assert ask(lab, "/api/generate", {"model": "cria", "prompt": "Hello", "stream": False})["response"]
