"""Where a cluster of real Ray nodes answers: labels, pinned models, models that many want, and whose turn it is."""

import importlib.util
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from tests.cluster.lab import Lab
from tests.server import wait_for

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra cluster)"),
]
SETTINGS = """
[model.labelled]
nodes = ["gpu"]

[model.pinned]
pinned = true
"""
OPTIONS = {"num_predict": 200, "ignore_eos": True, "temperature": 0, "num_ctx": 512}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab({"OLLAMA_NUM_PARALLEL": "1"}, config=SETTINGS) as made:
        made.add(1, PUNA_NODE_LABELS="gpu")
        for name in ("labelled", "pinned"):
            body = {"model": name, "from": "cria", "template": f"{name} {{{{ .Prompt }}}}", "stream": False}
            assert requests.post(f"{made.url}/api/create", json=body, timeout=120).status_code == 200
        yield made


def ask(lab: Lab, model: str, conversation: str = "") -> float:
    """Return when a request was answered."""
    body = {"model": model, "prompt": conversation, "stream": False, "options": OPTIONS}
    headers = {"session-id": conversation} if conversation else {}
    response = requests.post(f"{lab.url}/api/generate", json=body, headers=headers, timeout=300)
    assert response.status_code == 200, response.text
    return time.monotonic()


def holders(lab: Lab, model: str) -> set[str]:
    return {node["address"] for node in lab.nodes() if f"{model}:latest" in [held["model"] for held in node["models"]]}


def test_a_model_runs_only_where_its_labels_are(lab: Lab) -> None:
    labelled = {node["address"] for node in lab.nodes() if "gpu" in node["labels"]}
    assert labelled == {lab.machines[1].address}
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: ask(lab, "labelled"), range(6)))
    wait_for(lambda: holders(lab, "labelled") == labelled, what="the node to tell of the model")


def test_a_model_that_many_want_comes_to_more_nodes_and_leaves_them_when_idle_unless_it_is_pinned(lab: Lab) -> None:
    with ThreadPoolExecutor(12) as pool:
        for model in ("cria", "pinned"):
            list(pool.map(lambda _, model=model: ask(lab, model), range(12)))  # type: ignore[misc]
            wait_for(lambda model=model: len(holders(lab, model)) == 2, what=f"{model} on both")  # type: ignore[misc]
    wait_for(lambda: len(holders(lab, "cria")) == 1, 300, "one to lose it")
    assert len(holders(lab, "pinned")) == 2


def test_who_asks_for_little_does_not_wait_for_who_asks_for_much(lab: Lab) -> None:
    with ThreadPoolExecutor(24) as pool:
        much = [pool.submit(ask, lab, "cria", "much") for _ in range(16)]
        time.sleep(1)
        little = [pool.submit(ask, lab, "cria", "little") for _ in range(2)]
        ended = sorted(future.result() for future in much)
        assert max(future.result() for future in little) < ended[len(ended) // 2]
