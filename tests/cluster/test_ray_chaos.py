"""Nodes, ingresses and runners die at random while many clients ask for several models."""

import importlib.util
import os
from collections.abc import Iterator

import pytest
from bench.cluster import chaos
from tests.cluster.lab import Lab

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.swarm,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra cluster)"),
]
SECONDS = float(os.environ.get("PUNA_TEST_CHAOS_SECONDS", "600"))
CLIENTS = 100
ENDS = {"answered", "error in the stream", "error 500", "error 502", "error 503"}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        made.add(4)
        yield made


def test_every_request_ends_in_an_answer_or_an_error_and_the_cluster_is_whole_afterwards(lab: Lab) -> None:
    outcome = chaos(lab.url, os.getpid(), SECONDS, CLIENTS, 10)
    print(outcome)
    assert set(outcome.ends) <= ENDS, outcome
    assert outcome.hang == 0
    assert (outcome.nodes, outcome.answered) == (outcome.whole, "answered")
    assert set(outcome.killed) == {"node", "ingress", "runner"}
