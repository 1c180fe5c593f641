"""Responses in the background: they outlive their connection, are streamed again and cancelled, and end as failed with
the server."""

import contextlib
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from tests.conftest import Serve
from tests.openai_responses.shapes import ENDS, checked, in_order, read, refusal, streamed, text_of
from tests.server import Server, wait_for

from openai import OpenAI

ASK = {"model": "cria", "input": "Tell me a story.", "background": True, "temperature": 0, "max_output_tokens": 30}
ENDLESS = ASK | {"max_output_tokens": 100_000, "truncation": "auto", "ignore_eos": True}


def status(server: Server, name: str) -> str:
    found: str = server.get(f"/v1/responses/{name}").json()["status"]
    return found


def is_over(server: Server, name: str) -> bool:
    return status(server, name) not in ("queued", "in_progress")


def test_it_goes_on_without_its_client(client: OpenAI, server: Server) -> None:
    made = client.responses.create(
        model="cria", input="Tell me a story.", background=True, temperature=0, max_output_tokens=30
    )
    assert made.status == "queued"
    wait_for(lambda: is_over(server, made.id))
    done = client.responses.retrieve(made.id)
    plain = streamed(server, {"model": "cria", "input": "Tell me a story.", "max_output_tokens": 30}).response
    assert (done.status, done.output_text) == (plain["status"], text_of(plain))
    assert done.usage is not None


def test_it_is_streamed_again_from_any_number(server: Server) -> None:
    first = streamed(server, ASK)
    assert first.types[:3] == ["created", "queued", "in_progress"]
    name = first.response["id"]
    again = read(server.get(f"/v1/responses/{name}?stream=true"))
    assert again.events == first.events
    rest = server.get(f"/v1/responses/{name}?stream=true&starting_after=4")
    assert rest.text.count("event: ") == len(first.events) - 5
    assert '"sequence_number":5,' in rest.text.split("\n\n")[0]


def test_a_stream_that_broke_off_is_taken_up(client: OpenAI, server: Server) -> None:
    with requests.post(f"{server.url}/v1/responses", json=ASK | {"stream": True}, stream=True, timeout=60) as response:
        lines = response.iter_lines()
        seen = [line for line, _ in zip(lines, range(12), strict=False) if line.startswith(b"data: ")]
    name = checked_id(seen[0])
    events: list[dict[str, Any]] = []
    with client.responses.retrieve(name, stream=True, starting_after=len(seen) - 1) as stream:
        events += [event.to_dict() for event in stream]
    in_order(events, first=len(seen))
    assert status(server, name) == events[-1]["response"]["status"]


def checked_id(line: bytes) -> str:
    return str(json.loads(line.removeprefix(b"data: "))["response"]["id"])


def test_it_can_be_cancelled(client: OpenAI, server: Server) -> None:
    made = server.ask("/v1/responses", ENDLESS)
    wait_for(lambda: status(server, made["id"]) == "in_progress")
    cancelled = client.responses.cancel(made["id"])
    assert cancelled.status == "cancelled"
    wait_for(lambda: not server.get("/api/queue").json()["running"], 20)
    assert client.responses.cancel(made["id"]).status == "cancelled"
    assert read(server.get(f"/v1/responses/{made['id']}?stream=true")).response["status"] == "cancelled"


def test_cancelling_it_while_it_ends_loses_nothing(server: Server) -> None:
    for _ in range(5):
        asked = ASK | {"stream": True, "max_output_tokens": 5}
        with requests.post(f"{server.url}/v1/responses", json=asked, stream=True, timeout=60) as response:
            lines = (line.removeprefix(b"data: ") for line in response.iter_lines() if line.startswith(b"data: "))
            told = next(event["response"] for line in lines if (event := json.loads(line))["type"] in ENDS)
            assert server.post(f"/v1/responses/{told['id']}/cancel").json() == told
        assert server.get(f"/v1/responses/{told['id']}").json() == told


def test_cancelling_it_often_is_cancelling_it_once(server: Server) -> None:
    made = server.ask("/v1/responses", ENDLESS)
    wait_for(lambda: status(server, made["id"]) == "in_progress")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(server.post, [f"/v1/responses/{made['id']}/cancel"] * 6))
    assert {answer.json()["status"] for answer in answers} == {"cancelled"}
    assert status(server, made["id"]) == "cancelled"


def test_it_ends_also_if_it_is_too_large_to_be_kept(serve: Serve) -> None:
    server = serve({"PUNA_RESPONSES": "12K"})
    asked = ASK | {"include": ["message.output_text.logprobs"], "top_logprobs": 20, "max_output_tokens": 30}
    made = server.ask("/v1/responses", asked | {"ignore_eos": True})
    wait_for(lambda: status(server, made["id"]) == "failed", 20)
    failed = server.get(f"/v1/responses/{made['id']}").json()
    checked(failed)
    assert "too large to be stored" in failed["error"]["message"]
    assert read(server.get(f"/v1/responses/{made['id']}?stream=true")).response == failed


def test_deleting_it_ends_it(server: Server) -> None:
    made = server.ask("/v1/responses", ENDLESS)
    assert server.request("DELETE", f"/v1/responses/{made['id']}").json()["deleted"] is True
    assert server.get(f"/v1/responses/{made['id']}").status_code == 404
    wait_for(lambda: not server.get("/api/queue").json()["running"], 20)


def test_what_goes_wrong_is_told_in_the_response(server: Server) -> None:
    body = ASK | {"input": "word " * 3000, "num_ctx": 256}
    made = server.ask("/v1/responses", body)
    wait_for(lambda: is_over(server, made["id"]))
    failed = server.get(f"/v1/responses/{made['id']}").json()
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "context_length_exceeded"
    assert "prompt is too long" in failed["error"]["message"]


def test_others_cannot_be_cancelled_or_streamed(server: Server) -> None:
    made = server.ask("/v1/responses", ASK | {"background": False})
    answer = server.post(f"/v1/responses/{made['id']}/cancel")
    assert answer.status_code == 400
    assert "background=true" in answer.json()["error"]["message"]
    assert server.get(f"/v1/responses/{made['id']}?stream=true").status_code == 400
    assert server.get("/v1/responses/resp_x?stream=true").status_code == 404
    assert refusal(server, background=True, store=False)["param"] == "background"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_end_of_the_server_fails_what_was_running(serve: Serve, end: str) -> None:
    server = serve()
    kept = server.ask("/v1/responses", ASK | {"background": False})
    made = server.ask("/v1/responses", ENDLESS)
    wait_for(lambda: status(server, made["id"]) == "in_progress")
    time.sleep(0.6)
    server.stop() if end == "stop" else server.kill()
    again = serve(world=server.world)
    failed = again.get(f"/v1/responses/{made['id']}").json()
    checked(failed)
    assert failed["status"] == "failed"
    assert failed["error"]["message"] == "the server ended before the response was complete"
    told = read(again.get(f"/v1/responses/{made['id']}?stream=true"), whole=end == "stop")
    assert "output_text.delta" in told.types
    assert told.response == failed
    far = again.get(f"/v1/responses/{made['id']}?stream=true&starting_after={told.events[-2]['sequence_number']}")
    assert read(far, first=len(told.events) - 1).events == told.events[-1:]
    assert again.get(f"/v1/responses/{kept['id']}").json() == kept
    with contextlib.closing(sqlite3.connect(again.world.home / ".puna" / "responses.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
