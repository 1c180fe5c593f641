"""One line of the log for each request, however it ends, and not a word of what was said."""

import re

from tests.server import Server, wait_for

ENDLESS = {"num_predict": 100_000, "ignore_eos": True}


def line_of(server: Server, name: str) -> dict[str, str]:
    """Return the fields of the line about one request."""
    lines = wait_for(lambda: [line for line in server.log().splitlines() if f"request id={name} " in line])
    assert len(lines) == 1
    return dict(re.findall(r"(\w+)=(\S+)", lines[0]))


def test_request_that_was_answered(server: Server) -> None:
    body = {"model": "cria", "prompt": "my secret", "stream": False, "options": {"num_predict": 3, "ignore_eos": True}}
    answer = server.post("/api/generate", body, headers={"X-Request-Id": "answered"}).json()
    line = line_of(server, "answered")
    assert (line["model"], line["dialect"], line["outcome"], line["error"]) == ("cria:latest", "ollama", "done", "-")
    assert (int(line["prompt"]), int(line["generated"])) == (answer["prompt_eval_count"], 3)
    assert 0 < float(line["first"]) <= float(line["duration"])
    assert "my secret" not in server.log()


def test_request_that_failed(server: Server) -> None:
    body = {"model": "cria", "prompt": "x " * 2000, "truncate": False, "options": {"num_ctx": 256}}
    assert server.post("/api/generate", body, headers={"X-Request-Id": "failed"}).status_code == 400
    line = line_of(server, "failed")
    assert (line["outcome"], line["error"], line["generated"]) == ("failed", "ContextExceededError", "0")


def test_request_whose_client_went_away(server: Server) -> None:
    body = {"model": "cria", "prompt": "x", "options": ENDLESS}
    response = server.post("/api/generate", body, headers={"X-Request-Id": "left"}, stream=True)
    next(response.iter_lines())
    response.close()
    assert line_of(server, "left")["outcome"] == "gone"


def test_request_that_was_cancelled(server: Server) -> None:
    body = {"model": "cria", "prompt": "x", "options": ENDLESS}
    response = server.post("/api/generate", body, headers={"X-Request-Id": "cancelled"}, stream=True)
    lines = response.iter_lines()
    next(lines)
    assert server.request("DELETE", "/api/queue/cancelled").status_code == 200
    assert b"request canceled" in list(lines)[-1]
    assert line_of(server, "cancelled")["outcome"] == "gone"
