"""What agents change from call to call does not cost the cache, and what does is told."""

from typing import Any

from tests.server import Server

WORDS = " ".join(f"word{number}" for number in range(200))
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}
TURNED = {"function": {"parameters": {"type": "object"}, "description": "Look.", "name": "look"}, "type": "function"}


def usage(server: Server, key: str, system: str, *said: str, tool: dict[str, Any] = TOOL) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}]
    for number, text in enumerate(said):
        messages.append({"role": "assistant" if number % 2 else "user", "content": text})
    body = {"model": "cria", "messages": messages, "tools": [tool], "max_tokens": 4, "prompt_cache_key": key}
    found: dict[str, Any] = server.ask("/v1/chat/completions", body)["usage"]
    return found


def test_the_order_of_keys_in_tools_does_not_matter(server: Server) -> None:
    first = usage(server, "keys", WORDS, "Hello")
    second = usage(server, "keys", WORDS, "Hello", "Hi", "Bye", tool=TURNED)
    cached = second["prompt_tokens_details"]["cached_tokens"]
    assert cached >= first["prompt_tokens"] - 8
    assert "cache_miss" not in second


def test_why_a_prompt_is_read_again_is_told(server: Server) -> None:
    usage(server, "why", WORDS, "Hello")
    again = usage(server, "why", f"Now. {WORDS}", "Hello", "Hi", "Bye")
    assert again["cache_miss"]["type"] == "system_changed"
    assert again["cache_miss"]["tokens"] > 100
    changed = usage(server, "why", f"Now. {WORDS}", f"Other {WORDS}", "Hi", "Bye")
    assert changed["cache_miss"]["type"] == "messages_changed"
