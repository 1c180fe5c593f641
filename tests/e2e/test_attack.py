"""A quarter of a minute of what ``bench/attack.py`` does for as long as one likes, and what it found."""

import threading
import time
from typing import Any

import pytest
from tests.attack.run import Course, Plan, attack
from tests.server import Server

HI = [{"role": "user", "content": "hi"}]


async def test_odd_requests_and_bombs_are_answered_and_others_served() -> None:
    course = Course()
    await attack(Plan(bodies=150, bombs=15, seed=7, seconds=15, patience=10), course)  # nobody hangs; the bench times
    assert course.faults == []
    assert course.reached > course.bodies // 4


def test_a_prompt_of_megabytes_is_sent_to_the_engine(server: Server) -> None:
    asked = {"model": "cria", "messages": [{"role": "user", "content": "a " * 600_000}], "stream": False}
    answer = server.post("/api/chat", asked)
    assert answer.status_code == 400, answer.text
    assert "exceeds the context length" in answer.json()["error"]


@pytest.mark.parametrize(("count", "status"), [(400_000, 413), (600_000, 413)])
def test_a_body_of_very_many_values_is_too_large(server: Server, count: int, status: int) -> None:
    for value in (0, [], {}):
        answer = server.post("/api/chat", {"model": "cria", "messages": HI, "odd": [value] * count})
        assert answer.status_code == status, answer.text
        assert "values" in answer.json()["error"]


def test_tools_of_very_many_values_are_refused(server: Server) -> None:
    properties = {f"p{number}": {"enum": [*"abcdefghij"]} for number in range(300)}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": properties}}}
    answer = server.post("/api/chat", {"model": "cria", "messages": HI, "tools": [tool] * 40})
    assert answer.status_code == 400
    assert "tools have more than" in answer.json()["error"]


BIG: dict[str, dict[str, Any]] = {
    "tools": {"tools": [{"type": "function", "function": {"name": f"f{n}", "parameters": {}}} for n in range(5000)]},
    "schema": {"format": {"anyOf": [{"type": "object", "properties": {f"p{n % 90}_{n}": {}}} for n in range(4000)]}},
    "pattern": {"format": {"type": "string", "pattern": "^(?:a|b)*a(?:a|b){20}$"}},
    "messages": {"messages": HI * 15_000},
    "template": {"template": "{{ 1 }}" * 30_000},
}


@pytest.mark.parametrize("what", BIG)
def test_others_are_answered_while_much_is_read(server: Server, what: str) -> None:
    server.ask("/api/generate", {"model": "cria"})
    path = "/api/generate" if what == "template" else "/api/chat"
    body = {"model": "cria", "prompt": "hi", "messages": HI, "stream": False, "options": {"num_predict": 1}} | BIG[what]
    asking = threading.Thread(target=lambda: server.post(path, body))
    asking.start()
    longest = 0.0
    while asking.is_alive():
        began = time.monotonic()
        server.session.get(f"{server.url}/api/version", timeout=30)
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.02)
    assert longest < 0.5, "five times what it is to be, on a machine that does other things as well"
