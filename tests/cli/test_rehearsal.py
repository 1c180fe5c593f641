"""``puna doctor --agent``: a recorded turn is played, and what comes back is read, in every dialect."""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import pytest
from tests.server import Server, World

from puna.cli.checks import Finding
from puna.cli.client import Client
from puna.cli.rehearsal import rehearse
from puna.cli.turns import Call, Chat, Messages, Responses, Speech, Turn, fits
from puna.settings import Settings

# Each says "Hm.", calls f({"a": 1}), and had 100 tokens to read, of which 90 came from the cache.
STREAMS: dict[str, tuple[Speech, list[dict[str, Any]]]] = {
    "claude": (
        Messages(),
        [
            {"type": "message_start", "message": {"usage": {"input_tokens": 10, "cache_read_input_tokens": 90}}},
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hm."}},
            {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}},
            {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
            {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": ": 1}"}},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        ],
    ),
    "codex": (
        Responses(),
        [
            {"type": "response.created", "response": {"usage": None}},
            {"type": "response.output_text.delta", "delta": "Hm."},
            {
                "type": "response.output_item.done",
                "item": {"type": "function_call", "call_id": "t", "name": "f", "arguments": '{"a": 1}'},
            },
            {
                "type": "response.completed",
                "response": {"usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 90}}},
            },
        ],
    ),
    "opencode": (
        Chat(),
        [
            {"choices": [{"delta": {"role": "assistant", "content": "Hm."}}]},
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f"}}]}}]},
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a": 1}'}}]}}]},
            {"choices": [], "usage": {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 90}}},
        ],
    ),
}


def recorded(agent: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((files("puna.cli") / "recorded" / f"{agent}.json").read_text())["body"]
    return body


@pytest.mark.parametrize("agent", STREAMS)
def test_answers_are_read_and_gone_on_from(agent: str) -> None:
    speech, events = STREAMS[agent]
    turn, body = Turn(), recorded(agent)
    for event in events:
        speech.read(turn, event)
    assert (turn.text, turn.calls, turn.tokens, turn.cached) == ("Hm.", [Call("t", "f", '{"a": 1}')], 100, 90)
    assert len(speech.tools(body)) >= 7
    speech.ask(body, "What?", 16)
    assert "What?" in json.dumps(body)
    messages = body.get("messages") or body["input"]
    before = len(messages)
    speech.go_on(body, turn)
    said = json.dumps(messages[before:])
    assert all(word in said for word in ("Hm.", '"t"', "notes.txt"))
    speech.go_on(body, Turn())
    assert "Go on." in json.dumps(messages[-1])


def test_calls_are_held_against_the_tools() -> None:
    tools: Mapping[str, Mapping[str, Iterable[str]]] = {"f": {"required": ["a"]}}
    assert fits(Call("", "f", '{"a": 1}'), tools) == ""
    assert fits(Call("", "f", ""), tools) == "its call of f lacks a"
    assert fits(Call("", "f", '{"a'), tools) == "the arguments of its call of f are not JSON"
    assert fits(Call("", "g", "{}"), tools) == "it called 'g', which is no tool of the agent"


def test_a_turn_is_played_against_a_real_model(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
    found: list[Finding] = []
    with Client(Settings.from_env()) as client:
        rehearse(client, "opencode", "cria", found.append, share=0.0)
    areas = {finding.area: finding for finding in found}
    if server.post("/v1/chat/completions", {}).status_code == 404:
        assert "does not speak /v1/chat/completions" in areas["server"].text
        return
    assert list(areas) == ["context", "tools", "cache", "time"]
    assert areas["context"].state == areas["cache"].state == "ok"


def test_what_an_agent_needs_is_told(server: Server, beside: World) -> None:
    assert beside.run("doctor", "--agent", "claude").stderr == "Error: --agent and --model belong together\n"
    assert "not of 'nobody'" in beside.run("doctor", "--agent", "nobody", "--model", "cria").stderr
    done = beside.run("doctor", "--agent", "opencode", "--model", "cria", "--json")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["state"], finding["area"]) in {("bad", "context"), ("bad", "server")}
