"""``puna warm``: what an agent's prompts begin with is there before its first question, and after a restart."""

import re
import sys

from tests.conftest import Serve
from tests.server import World

TEXT = "You live on the high plateau, herd llamas and answer what travellers ask. " * 40
AGENT = """
import json, os, sys, urllib.error, urllib.request
words = sys.argv[1:]
base = os.environ["ANTHROPIC_BASE_URL"]
tool = {"name": "look", "description": "looks", "input_schema": {"type": "object", "properties": {}}}
bodies = [
    {"model": "small", "max_tokens": 9, "messages": [{"role": "user", "content": "A title for this?"}]},
    {
        "model": words[words.index("--model") + 1], "max_tokens": 900, "stream": True, "tools": [tool],
        "system": [{"type": "text", "text": open("SYSTEM").read()}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": " ".join(words)}]}],
    },
]
for body in bodies:
    request = urllib.request.Request(
        base + "/v1/messages?beta=true", json.dumps(body).encode(),
        {"anthropic-version": "2023-06-01", "Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError:
        pass
"""


def install(world: World) -> None:
    """Put a program into the path that asks as Claude Code does: a small request first, then one with tools."""
    program = world.home / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{AGENT}")
    program.chmod(0o755)
    world.environment["PATH"] = f"{program.parent}:{world.environment['PATH']}"
    (world.home / "SYSTEM").write_text(TEXT)


SETTINGS = {"OLLAMA_CONTEXT_LENGTH": "2048", "OLLAMA_NUM_PARALLEL": "2"}


def kept(said: str) -> int:
    """Return how many tokens the command says that it has kept."""
    found = re.match(r"(\S+) of (\S+) tokens are read once and kept", said)
    assert found, said
    return int(found[1].replace(",", ""))


def test_a_system_prompt_is_there_before_the_first_question_also_after_a_restart(serve: Serve) -> None:
    server = serve(SETTINGS)
    server.world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    (server.world.home / "SYSTEM").write_text(TEXT)
    done = server.world.run("warm", "cria", "--system", "SYSTEM")
    assert done.returncode == 0, done.stderr
    assert kept(done.stdout) > 256
    server.kill()
    server = serve(world=server.world)
    messages = [{"role": "system", "content": TEXT}, {"role": "user", "content": "Who are you, after all? " * 9}]
    answer = server.post("/v1/chat/completions", {"model": "cria", "messages": messages, "max_tokens": 1}).json()
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] >= kept(done.stdout)


def test_an_agent_is_overheard_and_its_beginning_read(serve: Serve) -> None:
    server = serve(SETTINGS)
    world = server.world
    world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    install(world)
    done = world.run("warm", "cria", "--agent", "claude", "--yes")
    assert done.returncode == 0, done.stderr
    assert kept(done.stdout) > 256


def test_what_is_missing_is_told(beside: World) -> None:
    assert "either --agent or --system" in beside.run("warm", "cria").stderr
    assert "Claude Code is not installed" in beside.run("warm", "cria", "--agent", "claude").stderr
    assert "did you mean codex?" in beside.run("warm", "cria", "--agent", "codx").stderr
    assert "nothing.txt cannot be read" in beside.run("warm", "cria", "--system", "nothing.txt").stderr
