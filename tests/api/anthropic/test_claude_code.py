"""What an agent sends, and that its next turn costs only what is new in it."""

import json
from typing import Any

import pytest
from tests.api.anthropic import claude_code
from tests.api.anthropic.asking import ask, ask_stream, counted, prompt_tokens, put_together
from tests.server import Server


def answer_of(server: Server, body: dict[str, Any], session: str = "s1") -> dict[str, Any]:
    """Return the answer to an agent's request, whose stream is put together."""
    headers = claude_code.HEADERS | {"X-Claude-Code-Session-Id": session}
    response = server.post(claude_code.PATH, body, headers=headers)
    assert response.status_code == 200, response.text
    pieces = [piece.split("\ndata: ")[1] for piece in response.text[:-2].split("\n\n")]
    return put_together([event for event in map(json.loads, pieces) if event["type"] != "ping"])


def test_whole_request_is_understood(server: Server) -> None:
    body = claude_code.whole("cria")
    response = server.post(claude_code.PATH, body, headers=claude_code.HEADERS)
    count = counted(server, {key: value for key, value in body.items() if key != "stream"})
    assert count > 30_000
    assert response.status_code == 400, "the built-in model is too small for it"
    assert response.json()["error"] == {
        "type": "invalid_request_error",
        "message": f"prompt is too long: {count} tokens > 2048 maximum context length",
    }


def next_turn(body: dict[str, Any], answer: dict[str, Any], call: int) -> dict[str, Any]:
    """Return an agent's next request: a new bill, keys in another order, a reminder, and a new question."""
    later = claude_code.reordered(claude_code.shortened(body["model"], call))
    later["messages"] = [
        *body["messages"],
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [{"type": "text", "text": "go on", "cache_control": {"type": "ephemeral"}}]},
        {"role": "system", "content": "The user may be away."},
    ]
    return later


def test_next_turn_comes_from_the_cache(server: Server, long_model: str) -> None:
    first = claude_code.shortened(long_model, 1, 5000)
    answer = answer_of(server, first)
    later = answer_of(server, next_turn(first, answer, 2))
    assert prompt_tokens(answer) > 1000
    assert later["usage"]["cache_read_input_tokens"] >= 0.95 * prompt_tokens(answer)
    assert later["usage"]["cache_read_input_tokens"] >= 0.95 * prompt_tokens(later)
    assert "cache_miss" not in later["usage"]


CHANGES = {
    "system_changed": lambda body: body["system"][1].update(text="Be somebody else."),
    "tools_changed": lambda body: body["tools"].pop(0),
    "messages_changed": lambda body: body["messages"][0]["content"][0].update(text="Another word."),
}


def test_what_is_read_again_is_told(server: Server) -> None:
    first = claude_code.shortened("cria", 1)
    answer = answer_of(server, first)
    for call, (reason, change) in enumerate(CHANGES.items(), 2):
        later = claude_code.copy(next_turn(first, answer, call))
        change(later)
        told = answer_of(server, later | {"diagnostics": {"previous_message_id": answer["id"]}})
        missed, cached = told["usage"]["cache_miss"], told["usage"]["cache_read_input_tokens"]
        assert missed["type"] == reason
        assert missed["cache_missed_input_tokens"] > 100
        assert cached + missed["cache_missed_input_tokens"] == min(prompt_tokens(answer), prompt_tokens(told))
        assert told["diagnostics"] == {"cache_miss_reason": missed}


def thinking_turns(content: Any, more: str = "") -> dict[str, Any]:
    messages = [{"role": "user", "content": "What is 2+2?"}]
    if content:
        messages += [{"role": "assistant", "content": content}, {"role": "user", "content": more}]
    return {
        "model": "cria",
        "max_tokens": 80,
        "temperature": 0,
        "messages": messages,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "somebody"},
    }


@pytest.mark.parametrize("asking", [ask, ask_stream])
def test_diagnostics_only_where_asked(server: Server, asking: Any) -> None:
    first = asking(server, thinking_turns(None) | {"diagnostics": {"previous_message_id": None}})
    assert first["diagnostics"] is None
    same = asking(server, thinking_turns(None) | {"diagnostics": {"previous_message_id": first["id"]}})
    assert same["diagnostics"] is None
    assert "diagnostics" not in asking(server, thinking_turns(None))
    unknown = asking(server, thinking_turns(None) | {"diagnostics": {"previous_message_id": "msg_none"}})
    assert unknown["diagnostics"] == {"cache_miss_reason": {"type": "previous_message_not_found"}}
