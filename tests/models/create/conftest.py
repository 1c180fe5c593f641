"""The engine as a child process, for comparing converted models with where they came from."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SERVER = """
import sys
import xllamacpp as engine
model, address, embedding, lora = sys.argv[1:5]
params = engine.CommonParams()
params.model.path = model
params.hostnames = [address]
params.n_ctx = 512
params.n_parallel = 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.warmup = False
params.ui = False
params.verbosity = -1
params.cache_type_k = params.cache_type_v = engine.ggml_type.GGML_TYPE_F32
params.flash_attn_type = engine.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
params.embedding = embedding == "1"
if lora:
    adapter = engine.CommonAdapterLoraInfo()
    adapter.path = lora
    adapter.scale = 1.0
    params.lora_adapters = [adapter]
server = engine.Server(params)
print("ready", flush=True)
sys.stdin.read()
"""


class Engine:
    """Requests to one llama.cpp server on a unix socket."""

    def __init__(self, address: Path) -> None:
        self._address = address

    def post(self, route: str, body: dict[str, Any]) -> Any:
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self._address))
        try:
            connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        assert response.status == 200, answer
        return answer

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        body = {"content": text, "add_special": special, "parse_special": True}
        return list(self.post("/tokenize", body)["tokens"])

    def greedy(self, prompt: list[int], count: int) -> tuple[list[int], dict[int, list[dict[str, Any]]]]:
        """The likeliest ``count`` tokens, and by place the likeliest candidates with their ``logprob``.

        Places whose token ends inside a character are missing: the server reports none for them.
        """
        body = {
            "n_predict": 1,
            "temperature": 0,
            "n_probs": 5,
            "return_tokens": True,
            "samplers": ["temperature"],
        }
        chosen: list[int] = []
        candidates: dict[int, list[dict[str, Any]]] = {}
        for place in range(count):
            answer = self.post("/completion", {**body, "prompt": [*prompt, *chosen]})
            reported = answer.get("completion_probabilities", [])
            if reported:
                candidates[place] = reported[0]["top_logprobs"]
            chosen += answer["tokens"] or [reported[0]["id"]]
        return chosen, candidates

    def embed(self, texts: list[str]) -> list[list[float]]:
        answer = self.post("/v1/embeddings", {"input": texts, "model": "m"})
        return [item["embedding"] for item in answer["data"]]


StartEngine = Callable[..., Engine]


@pytest.fixture
def start_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEngine]:
    """Start an engine for a GGUF file; it ends with the test."""
    children: list[subprocess.Popen[bytes]] = []

    def start(model: Path, *, embedding: bool = False, lora: Path | None = None) -> Engine:
        address = tmp_path_factory.mktemp("engine") / "engine.sock"
        arguments = [str(model), str(address), "1" if embedding else "0", str(lora or "")]
        child = subprocess.Popen(
            [sys.executable, "-c", SERVER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        children.append(child)
        assert child.stdout is not None and child.stderr is not None
        if child.stdout.readline() != b"ready\n":
            pytest.fail(f"the engine did not load the model: {child.stderr.read().decode()[-2000:]}")
        return Engine(address)

    yield start
    for child in children:
        child.kill()
        child.communicate()
