"""What breaks in the middle: runners that die, clients that go away, more requests than may wait."""

import contextlib
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import psutil
import pytest
import requests
from tests.conftest import Serve
from tests.server import Server, wait_for

LONG = {"num_predict": 10_000_000, "ignore_eos": True}
"""Hours; nobody waits for the end of such an answer as long as a request may take here."""
ENDLESS = {"model": "cria", "prompt": "x", "options": LONG}
SHORT = {"model": "cria", "prompt": "x", "stream": False, "options": {"num_predict": 1, "seed": 1}}


@pytest.fixture
def single(serve: Serve) -> Server:
    """A server that answers one request at a time and lets one wait."""
    return serve({"OLLAMA_NUM_PARALLEL": "1", "OLLAMA_MAX_QUEUE": "1"})


@contextlib.contextmanager
def unread(server: Server, path: str, body: dict[str, Any]) -> Iterator[socket.socket]:
    """Send a request whose answer nobody reads."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + data)
        yield connection


def works(runner: psutil.Process) -> None:
    """Return as soon as the runner is seen to compute."""
    before = sum(runner.cpu_times()[:2])
    wait_for(lambda: sum(runner.cpu_times()[:2]) > before + 0.05, what="the runner to compute")


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/generate", ENDLESS), ("/api/chat", {**ENDLESS, "messages": [{"role": "user", "content": "x"}]})],
)
def test_runner_that_dies_ends_the_stream_with_an_error(server: Server, path: str, body: dict[str, Any]) -> None:
    lines = server.open_stream(path, body)
    assert next(lines)["done"] is False
    runners = server.runners()
    for runner in runners:
        runner.kill()
    *_, last = lines
    assert list(last) == ["error"]
    assert "ended unexpectedly (by signal 9)" in last["error"]
    assert server.ask("/api/generate", SHORT)["eval_count"] == 1
    assert not {runner.pid for runner in server.runners()} & {runner.pid for runner in runners}


SAID = [{"role": "user", "content": "x"}]
WHOLE: list[tuple[str, str, dict[str, Any]]] = [
    ("/api/generate", "num_predict", {"prompt": "x", "stream": False}),
    ("/api/chat", "num_predict", {"messages": SAID, "stream": False}),
    ("/v1/completions", "max_tokens", {"prompt": "x"}),
    ("/v1/chat/completions", "max_tokens", {"messages": SAID}),
    ("/v1/responses", "max_output_tokens", {"input": "x"}),
    ("/v1/messages", "max_tokens", {"messages": SAID}),
]
"""A request for a whole answer in each dialect, with the name of its limit of tokens."""


def test_runner_that_dies_amid_whole_answers_is_replaced_and_nobody_notices(serve: Serve) -> None:
    server = serve({"OLLAMA_NUM_PARALLEL": str(len(WHOLE)), "OLLAMA_CONTEXT_LENGTH": "2048"})
    server.patience = 300

    def ask(path: str, limit: str, body: dict[str, Any], tokens: int) -> int:
        length = {"options": {"ignore_eos": True, limit: tokens}, limit: tokens}
        return server.post(path, {"model": "cria", **length, **body}).status_code

    for asked in WHOLE:
        assert ask(*asked, 1) == 200, asked
    (runner,) = server.runners()
    with ThreadPoolExecutor(len(WHOLE)) as pool:
        answers = [pool.submit(ask, *asked, 1000) for asked in WHOLE]
        wait_for(lambda: len(server.get("/api/queue").json()["requests"]) == len(WHOLE), what="all to run")
        works(runner)
        assert not any(answer.done() for answer in answers)
        runner.kill()
        assert [answer.result() for answer in answers] == [200] * len(WHOLE)
    assert runner.pid not in [other.pid for other in server.runners()]


def test_runner_that_dies_twice_ends_a_whole_answer_with_500(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, "/api/generate", {**ENDLESS, "stream": False})
        gone: set[int] = set()
        for _ in range(2):
            (runner,) = wait_for(lambda: [one for one in server.runners() if one.pid not in gone])
            wait_for(lambda: server.get("/api/ps").json()["models"], what="the model to be loaded")
            works(runner)
            gone.add(runner.pid)
            runner.kill()
        answer = asked.result()
    assert answer.status_code == 500
    assert "ended unexpectedly (by signal 9)" in answer.json()["error"]


def test_idle_runner_that_dies_is_replaced(server: Server) -> None:
    server.ask("/api/generate", {"model": "cria"})
    for runner in server.runners():
        runner.kill()
    wait_for(lambda: "cria:latest" not in server.loaded(), what="the model to be gone")
    assert server.ask("/api/generate", SHORT)["eval_count"] == 1


def test_client_that_leaves_a_stream_ends_the_generation(single: Server) -> None:
    lines = single.open_stream("/api/generate", ENDLESS)
    next(lines)
    lines.close()
    assert single.ask("/api/generate", SHORT)["eval_count"] == 1


def test_client_that_leaves_before_a_whole_answer_ends_the_generation(single: Server) -> None:
    single.ask("/api/generate", SHORT)
    (runner,) = single.runners()
    for path, body in (
        ("/api/generate", {**ENDLESS, "stream": False}),
        ("/api/chat", {**ENDLESS, "stream": False, "messages": [{"role": "user", "content": "x"}]}),
    ):
        with unread(single, path, body):
            works(runner)
        assert single.ask("/api/generate", SHORT)["eval_count"] == 1


def test_client_that_leaves_while_it_waits_frees_its_place(single: Server) -> None:
    lines = single.open_stream("/api/generate", ENDLESS)
    next(lines)
    with unread(single, "/api/generate", {**ENDLESS, "stream": False}):
        wait_for(lambda: single.get("/api/queue").json()["waiting"], what="the request to wait")
        assert single.post("/api/generate", SHORT).status_code == 503
    wait_for(lambda: not single.get("/api/queue").json()["waiting"], what="its place to be free")
    lines.close()
    assert single.ask("/api/generate", SHORT)["eval_count"] == 1


def test_one_more_than_may_wait_is_told_so(single: Server) -> None:
    lines = single.open_stream("/api/generate", ENDLESS)
    next(lines)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(requests.post, f"{single.url}/api/generate", json=SHORT, timeout=60) for _ in range(3)]
        answers = as_completed(asked)
        refused = [next(answers).result() for _ in range(2)]
        lines.close()
        (answered,) = [answer.result() for answer in answers]
    for response in refused:
        assert response.status_code == 503
        assert response.json()["error"].startswith("server busy, please try again.")
        assert int(response.headers["retry-after"]) >= 1
    assert (answered.status_code, answered.json()["eval_count"]) == (200, 1)


def test_requests_at_the_same_time_share_one_runner(server: Server) -> None:
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0})
    with ThreadPoolExecutor(6) as pool:
        body = {**SHORT, "options": {"num_predict": 8, "ignore_eos": True}}
        asked = [pool.submit(requests.post, f"{server.url}/api/generate", json=body, timeout=60) for _ in range(6)]
        assert [answer.result().json()["eval_count"] for answer in asked] == [8] * 6
    assert len(server.runners()) == len(server.loaded())
