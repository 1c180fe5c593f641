"""What clients see of the queue."""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import pytest
from tests.server import Server, wait_for

Serve = Callable[..., Server]
LONG = {"model": "cria", "prompt": "The llama", "options": {"num_predict": 100_000, "ignore_eos": True, "num_ctx": 512}}


def queue(server: Server) -> dict[str, Any]:
    body: dict[str, Any] = server.get("/api/queue").json()
    return body


def states(server: Server) -> list[tuple[str, str]]:
    return [(entry["id"], entry["state"]) for entry in queue(server)["requests"]]


@pytest.mark.parametrize("path", ["/", "/api/tags", "/api/nothing"])
def test_every_response_names_its_request(server: Server, path: str) -> None:
    first, second = server.get(path).headers["X-Request-Id"], server.get(path).headers["X-Request-Id"]
    assert first and second and first != second
    assert server.get(path, headers={"X-Request-Id": "mine-1"}).headers["X-Request-Id"] == "mine-1"
    assert server.get(path, headers={"X-Request-Id": "a b"}).headers["X-Request-Id"] != "a b"


def test_the_empty_queue(server: Server) -> None:
    wait_for(lambda: not queue(server)["requests"])  # of other tests, which have gone away
    assert queue(server) == {"running": 0, "waiting": 0, "max_queue": 512, "requests": [], "loads": []}
    missing = server.request("DELETE", "/api/queue/nobody")
    assert (missing.status_code, missing.json()) == (404, {"error": "no request 'nobody' waits or runs"})


def test_a_priority_that_does_not_exist(server: Server) -> None:
    response = server.post("/api/generate", LONG | {"priority": "urgent"})
    assert response.status_code == 400
    assert response.json() == {"error": 'invalid priority: "urgent" (must be "interactive" or "batch")'}


def test_requests_are_seen_bounded_and_cancelled(serve: Serve) -> None:
    server = serve({"OLLAMA_NUM_PARALLEL": "1", "OLLAMA_MAX_QUEUE": "2"})
    with concurrent.futures.ThreadPoolExecutor() as pool:

        def ask(name: str, **more: Any) -> concurrent.futures.Future[Any]:
            headers = {"X-Request-Id": name} | more.pop("headers", {})
            return pool.submit(server.post, "/api/generate", LONG | {"stream": False} | more, headers=headers)

        running = ask("running")
        wait_for(lambda: states(server) == [("running", "running")])
        batch = ask("batch", headers={"X-Priority": "batch"})
        wait_for(lambda: len(states(server)) == 2)
        waiting = ask("waiting")
        wait_for(lambda: len(states(server)) == 3)
        assert states(server) == [("running", "running"), ("waiting", "waiting"), ("batch", "waiting")]
        last = queue(server)["requests"][-1]
        assert (last["priority"], last["position"], last["model"]) == ("batch", 1, "cria:latest")
        assert last["client"] == "127.0.0.1"
        refused = server.post("/api/generate", LONG)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        for name, future in (("batch", batch), ("running", running), ("waiting", waiting)):
            assert server.request("DELETE", f"/api/queue/{name}").status_code == 200
            assert (future.result().status_code, future.result().json()) == (499, {"error": "request canceled"})
        wait_for(lambda: not states(server))


def test_a_stream_that_is_cancelled_ends_with_the_reason(server: Server) -> None:
    lines = server.open_stream("/api/generate", LONG)
    next(lines)
    (entry,) = queue(server)["requests"]
    server.request("DELETE", f"/api/queue/{entry['id']}")
    assert list(lines)[-1] == {"error": "request canceled"}


def test_an_answer_under_way_ends_with_a_word_when_the_server_stops(serve: Serve) -> None:
    server = serve()
    lines = server.open_stream("/api/generate", LONG | {"options": {"num_predict": 50_000, "ignore_eos": True}})
    next(lines)
    server.process.terminate()
    assert list(lines)[-1] == {"error": "the server is shutting down"}
