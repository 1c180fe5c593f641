"""Faults on demand, as real clients meet them."""

import time

import httpx
import ollama
import pytest
import requests

from puna.testing import Fault, Server, answer, cut, overflow, rate_limited, server_error, slow

USER = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (rate_limited(message="slowly"), 429, "slowly"),
        (server_error(), 500, "the model was lost"),
        (overflow(300, 200), 400, "300 tokens.*200 tokens"),
    ],
)
def test_status(directed: Server, client: ollama.Client, fault: Fault, status: int, words: str, stream: bool) -> None:
    with directed.script([fault, "then it works"]):
        with pytest.raises(ollama.ResponseError, match=words) as met:
            list(client.chat("cria", USER, stream=stream))  # type: ignore[call-overload]
        assert met.value.status_code == status
        assert client.chat("cria", USER).message.content == "then it works"
    assert [request.status for request in directed.requests] == [status, 200]


def test_retry_after(directed: Server) -> None:
    directed.fault(rate_limited(2.5))
    response = requests.post(f"{directed.url}/api/chat", json={"model": "cria", "messages": USER}, timeout=60)
    assert (response.status_code, response.headers["retry-after"]) == (429, "2.5")
    assert "x-request-id" in response.headers


def test_slow(directed: Server, client: ollama.Client) -> None:
    client.chat("cria", USER)
    begin = time.monotonic()
    with directed.script([answer("late", fault=slow(0.7))]):
        next(iter(client.chat("cria", USER, stream=True)))
    assert time.monotonic() - begin > 0.7


def test_slow_answer_that_nobody_waits_for(directed: Server, client: ollama.Client) -> None:
    directed.fault(slow(60))
    with ollama.Client(host=directed.ollama_url, timeout=0.3) as hurried, pytest.raises(httpx.TimeoutException):
        hurried.chat("cria", USER)
    assert client.chat("cria", USER).message.content


@pytest.mark.parametrize("after", [0, 1, 3])
def test_stream_that_breaks_off(directed: Server, client: ollama.Client, after: int) -> None:
    heard = []
    with directed.script([answer("A long story about a llama in the mountains.", fault=cut(after))]):  # noqa: SIM117
        with pytest.raises(httpx.RemoteProtocolError):
            for part in client.chat("cria", USER, stream=True):
                heard.append(part)
    assert len(heard) >= after, "tokens that arrive together are one piece"
    assert bool(heard) == bool(after)
    assert not any(part.done for part in heard)


def test_stream_of_fewer_pieces_breaks_off_before_its_end(directed: Server, client: ollama.Client) -> None:
    heard = []
    with directed.script([answer("Yes.", fault=cut(100))]):  # noqa: SIM117
        with pytest.raises(httpx.RemoteProtocolError):
            for part in client.chat("cria", USER, stream=True):
                heard.append(part)
    assert heard
    assert not any(part.done for part in heard)


def test_object_that_breaks_off(directed: Server, client: ollama.Client) -> None:
    directed.fault(cut())
    with pytest.raises(httpx.RemoteProtocolError):
        client.chat("cria", USER)
    assert client.chat("cria", USER).message.content


def test_faults_come_before_the_script_and_in_order(directed: Server, client: ollama.Client) -> None:
    directed.fault(rate_limited(), times=2)
    directed.fault(server_error())
    statuses = []
    with directed.script(["only"]):
        for _ in range(3):
            with pytest.raises(ollama.ResponseError) as met:
                client.chat("cria", USER)
            statuses.append(met.value.status_code)
        assert client.chat("cria", USER).message.content == "only"
    assert statuses == [429, 429, 500]


def test_embeddings_meet_faults(directed: Server, client: ollama.Client) -> None:
    directed.fault(server_error())
    with directed.script([]):
        with pytest.raises(ollama.ResponseError):
            client.embed("cria", "Hello")
        assert client.embed("cria", "Hello").embeddings, "which no script is about"
