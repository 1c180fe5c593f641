"""Batches in Anthropic's form, by the official client."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.batches.batching import LONG, client_of
from tests.server import Server, wait_for

anthropic = pytest.importorskip("anthropic")
from anthropic.types.messages import MessageBatch  # noqa: E402

ENDLESS = {name: value for name, value in LONG.items() if name != "max_tokens"}


@pytest.fixture
def claude(server: Server) -> Iterator[Any]:
    """The official client."""
    with anthropic.Anthropic(
        base_url=server.url, api_key="none", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def message(name: str, text: str = "Hello", tokens: int = 3, **params: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": text}]
    return {"custom_id": name, "params": {"model": "cria", "max_tokens": tokens, "messages": said, **params}}


def ended(claude: Any, name: str) -> Any:
    def look() -> MessageBatch | None:
        batch = claude.messages.batches.retrieve(name)
        return batch if batch.processing_status == "ended" else None

    return wait_for(look)


def test_messages_are_those_of_the_route(claude: Any, server: Server) -> None:
    greedy = {"temperature": 0}
    asked = [message("a", "Say a", **greedy), message("b", model="nobody"), message("c", "word " * 5000)]
    begun = claude.messages.batches.create(requests=asked)
    assert begun.processing_status == "in_progress"
    assert begun.request_counts.to_dict() == {
        "processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0
    }  # fmt: skip
    done = ended(claude, begun.id)
    assert done.request_counts.to_dict() == {
        "processing": 0, "succeeded": 1, "errored": 2, "canceled": 0, "expired": 0
    }  # fmt: skip
    assert done.ended_at >= done.created_at
    results = {line.custom_id: line.result for line in claude.messages.batches.results(begun.id)}
    plain = server.ask("/v1/messages", asked[0]["params"])
    assert results["a"].message.content[0].text == plain["content"][0]["text"]
    assert {name: result.error.error.type for name, result in results.items() if name != "a"} == {
        "b": "not_found_error", "c": "invalid_request_error"
    }  # fmt: skip
    assert claude.messages.batches.delete(begun.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.batches.retrieve(begun.id)


def test_a_cancelled_batch_says_so_of_each_request(claude: Any, server: Server) -> None:
    requests = [message(f"{number}", tokens=1500, **ENDLESS) for number in range(12)]
    begun = claude.messages.batches.create(requests=requests)
    with pytest.raises(anthropic.BadRequestError, match="not over"):
        claude.messages.batches.delete(begun.id)
    assert claude.messages.batches.cancel(begun.id).processing_status == "canceling"
    done = ended(claude, begun.id)
    assert done.cancel_initiated_at
    counts = done.request_counts
    assert (counts.errored, counts.canceled + counts.succeeded) == (0, 12)
    kinds = [line.result.type for line in claude.messages.batches.results(begun.id)]
    assert kinds.count("canceled") == counts.canceled > 0
    wait_for(lambda: not server.get("/api/queue").json()["running"], 20)


def test_they_are_listed_apart(claude: Any, server: Server) -> None:
    made = [claude.messages.batches.create(requests=[message("a")]).id for _ in range(3)][::-1]
    listed = claude.messages.batches.list(limit=2)
    assert ([batch.id for batch in listed.data], listed.has_more) == (made[:2], True)
    assert [batch.id for batch in claude.messages.batches.list(after_id=made[0], limit=2).data] == made[1:]
    assert [batch.id for batch in claude.messages.batches.list(before_id=made[2], limit=1).data] == [made[1]]
    with client_of(server) as client:
        assert not {batch.id for batch in client.batches.list()} & set(made)
    for name in made:
        ended(claude, name)


@pytest.mark.parametrize(
    "body",
    [
        {"requests": []},
        {"requests": [message("a"), message("a")]},
        {"requests": [message("")]},
        {"requests": [{"custom_id": "a"}]},
        {},
    ],
)
def test_bad_bodies_are_refused(server: Server, body: dict[str, Any]) -> None:
    answer = server.post("/v1/messages/batches", json.dumps(body).encode())
    assert answer.status_code == 400
    assert (answer.json()["type"], answer.json()["error"]["type"]) == ("error", "invalid_request_error")
    assert server.get("/v1/messages/batches/batch_0").status_code == 404
