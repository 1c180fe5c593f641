"""What the agents asked in their conversations, asked again: each request is understood, and reads what is new."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.agents.conversation import SETTINGS, WAYS, make_long
from tests.agents.record import FOLDER

import puna


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[puna.Server]:
    """A server whose model has room for the prompts of agents."""
    with puna.Server(settings=SETTINGS) as made:
        make_long(made, tmp_path_factory.mktemp("long"))
        yield made


@pytest.mark.parametrize("agent", WAYS)
def test_recorded_conversation_is_held(server: puna.Server, agent: str) -> None:
    asked = json.loads((FOLDER / f"{agent}.json").read_text(encoding="utf-8"))
    ways, home = WAYS[agent], Path("/home/ada/work")
    script = [entry for part in ways.scripts(home / "note.txt", home / "long.txt") for entry in part]
    assert len(script) == len(asked)
    server.script(script)
    for request in asked:
        headers = {"anthropic-version": "2023-06-01"} if request["path"].startswith("/v1/messages") else {}
        answer = requests.post(server.url + request["path"], json=request["body"], headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text
        assert '"error"' not in answer.text.replace('"error":null', ""), answer.text
    server.check()
    told = [entry for entry in log_of(server) if entry.get("message") == "request"][-len(asked) :]
    second = len(ways.scripts(home, home)[0])
    assert told[second]["cached"] >= 0.95 * told[second]["prompt"]
    for before, after in itertools.pairwise(told[: second + 1]):
        assert after["cached"] >= before["prompt"] - 1, "what was read is not read again"


def log_of(server: puna.Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
