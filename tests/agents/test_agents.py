"""Coding agents, as they are installed by npm, in a network of their own with a real server and nothing else.

They hold a conversation of four turns: a file is written and read by their tools, the next turns come from the cache,
and when their context is full they compact and go on. Run by hand, with the folder of their programs:
``PUNA_TEST_AGENTS=node_modules/.bin pytest tests/agents``.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.agents.conversation import NOTE, QUESTIONS, SUMMARY, WAYS

ROOT = Path(__file__).parents[2]
_FOLDER = os.environ.get("PUNA_TEST_AGENTS", "")
"""Read before any test runs, for tests see none of the developer's settings."""
_ALONE = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@pytest.fixture(params=WAYS)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What happened in the conversation with an agent."""
    program = shutil.which(request.param, path=_FOLDER or None)
    if not program or not _FOLDER:
        pytest.skip(f"PUNA_TEST_AGENTS names no folder with {request.param} (npm)")
    if subprocess.run([*_ALONE, "true"], capture_output=True).returncode:
        pytest.skip("no network can be made here (unshare, ip)")
    command = [sys.executable, "-m", "tests.agents.conversation", request.param, program, str(tmp_path / "agent")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run([*_ALONE, *command], env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_agent_holds_a_conversation(held: dict[str, Any]) -> None:
    assert [status for status, *_ in held["said"]] == [0, 0, 0, 0], held["said"]
    answers = [text for _, text, *_ in held["said"]]
    assert "the llama sings" in answers[0]
    assert answers[3].strip().endswith("You asked for a note.")
    assert held["note"] == NOTE
    assert {request["status"] for request in held["requests"]} == {200}
    told = [line for line in held["log"] if line.get("message") == "request" and line["generated"]]
    second = [last_said(request["body"]) for request in held["requests"]].index(QUESTIONS[1])
    assert told[second]["cached"] >= 0.95 * told[second]["prompt"]
    last = json.dumps(held["requests"][-1]["body"])
    assert SUMMARY in last, "it goes on from what it was compacted to"
    assert len(last) < max(len(json.dumps(request["body"])) for request in held["requests"])
    assert QUESTIONS[0] in json.dumps(held["requests"][0]["body"])


def last_said(body: dict[str, Any]) -> str:
    """Return the last thing that the user said."""
    messages = [item for item in body.get("messages") or body["input"] if item.get("role") == "user"]
    content = messages[-1]["content"]
    text = content if isinstance(content, str) else str(content[-1].get("text", ""))
    return text.strip('"')
