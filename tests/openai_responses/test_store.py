"""Stored responses: read again, gone on from, listed, deleted, bounded, and not written where nobody asked for it."""

import time
from typing import Any

import pytest
from tests.conftest import Serve
from tests.openai_responses.shapes import refusal, streamed, text_of, whole
from tests.server import Server

import openai
from openai import OpenAI

SHORT = {"max_output_tokens": 8}


def stored(server: Server) -> bytes:
    """Return all that lies in the files of the store."""
    return b"".join(path.read_bytes() for path in (server.world.home / ".puna").glob("responses.db*"))


def test_response_is_there_again(client: OpenAI, server: Server) -> None:
    made = client.responses.create(model="cria", input="Hello", metadata={"a": "b"}, max_output_tokens=8)
    assert client.responses.retrieve(made.id) == made
    streamed_one = streamed(server, {"model": "cria", "input": "Hello", **SHORT}).response
    assert server.get(f"/v1/responses/{streamed_one['id']}").json() == streamed_one
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError, match="Response with id"):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(made.id)


def test_conversation_goes_on_over_several_turns(server: Server) -> None:
    first = whole(server, input="What is 2+2?", instructions="Be brief.", **SHORT)
    second = whole(server, input="And 3+3?", previous_response_id=first["id"], **SHORT)
    third = whole(server, input="And 4+4?", previous_response_id=second["id"], **SHORT)
    said = [{"role": "user", "content": "What is 2+2?"}, *first["output"], {"role": "user", "content": "And 3+3?"}]
    items = [*said, *second["output"], {"role": "user", "content": "And 4+4?"}]
    again = whole(server, input=items, store=False, **SHORT)
    assert again["usage"]["input_tokens"] == third["usage"]["input_tokens"], "instructions are not carried over"
    assert text_of(again) == text_of(third)
    error = refusal(server, previous_response_id="resp_gone")
    assert error["code"] == "previous_response_not_found"
    server.request("DELETE", f"/v1/responses/{second['id']}")
    assert "not found" in refusal(server, previous_response_id=third["id"])["message"]


def test_input_items_are_listed_in_pages(client: OpenAI) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    first = client.responses.create(
        model="cria",
        input=[{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}, call, output],  # type: ignore[list-item]
        max_output_tokens=4,
    )
    second = client.responses.create(model="cria", input="c", previous_response_id=first.id, max_output_tokens=4)
    kinds = [item.type for item in client.responses.input_items.list(second.id, order="asc", limit=2)]
    assert kinds == ["message", "message", "function_call", "function_call_output", "message", "message"]
    newest = next(iter(client.responses.input_items.list(second.id)))
    assert newest.type == "message"
    assert newest.role == "user"
    page = client.responses.input_items.list(first.id, limit=3)
    assert page.has_more
    for limit in (0, "many"):
        with pytest.raises(openai.BadRequestError, match="limit"):
            client.responses.input_items.list(first.id, limit=limit)  # type: ignore[arg-type]


def test_items_may_refer_to_stored_ones(server: Server) -> None:
    first = whole(server, input="What is 2+2?", **SHORT)
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    by_reference = whole(server, input=[{"role": "user", "content": "a"}, reference], **SHORT)
    by_value = whole(server, input=[{"role": "user", "content": "a"}, first["output"][0]], **SHORT)
    assert by_reference["usage"]["input_tokens"] == by_value["usage"]["input_tokens"]
    gone = refusal(server, 404, input=[{"type": "item_reference", "id": "msg_x"}])
    assert gone["message"] == "Item with id 'msg_x' not found."


def test_nothing_is_written_that_nobody_asked_to_store(serve: Serve) -> None:
    server = serve()
    body = {"model": "cria", "input": "Zanzibar", "store": False, **SHORT}
    unstored = server.ask("/v1/responses", body)
    assert unstored["store"] is False
    server.ask("/v1/responses/input_tokens", {"model": "cria", "input": "Zanzibar"})
    assert stored(server) == b""
    assert server.get(f"/v1/responses/{unstored['id']}").status_code == 404
    made = server.ask("/v1/responses", body | {"store": True})
    assert stored(server) and b"Zanzibar" not in stored(server)  # sealed
    assert server.get(f"/v1/responses/{made['id']}/input_items").json()["data"][0]["content"][0]["text"] == "Zanzibar"
    assert (server.world.home / ".puna" / "responses.db").stat().st_mode & 0o777 == 0o600
    server.request("DELETE", f"/v1/responses/{made['id']}")
    server.stop()
    assert made["id"].encode() not in stored(server)


def test_store_can_be_off(serve: Serve) -> None:
    server = serve({"PUNA_RESPONSES": "0"})
    made = server.ask("/v1/responses", {"model": "cria", "input": "Hello", **SHORT})
    assert made["store"] is False
    assert stored(server) == b""
    assert "not stored here" in refusal(server, background=True)["message"]
    assert "not stored here" in server.post("/v1/conversations", {}).json()["error"]["message"]


def test_store_is_bounded_in_size_and_age(serve: Serve) -> None:
    server = serve({"PUNA_RESPONSES": "12K", "PUNA_RESPONSES_AGE": "2s"})
    made = [server.ask("/v1/responses", {"model": "cria", "input": "x" * 500, **SHORT})["id"] for _ in range(6)]
    there = [server.get(f"/v1/responses/{name}").status_code for name in made]
    assert there[0] == 404
    assert there[-1] == 200
    assert there == sorted(there, reverse=True)
    big = server.post("/v1/responses", {"model": "cria", "input": "y " * 30_000, "truncation": "auto", **SHORT})
    assert big.status_code == 413
    time.sleep(2.1)
    server.stop()
    again = serve(world=server.world)
    assert again.get(f"/v1/responses/{made[-1]}").status_code == 404


def test_tokens_are_counted_exactly(client: OpenAI, server: Server) -> None:
    asked: dict[str, Any] = {"instructions": "Be brief.", "input": [{"role": "user", "content": "What is 2+2?"}]}
    counted = client.responses.input_tokens.count(model="cria", **asked)
    assert counted.object == "response.input_tokens"
    assert counted.input_tokens == whole(server, **asked, **SHORT)["usage"]["input_tokens"]
    long = client.responses.input_tokens.count(model="cria", input="word " * 5000)
    assert long.input_tokens > 5000


def test_conversation_is_made_shorter(client: OpenAI, server: Server) -> None:
    items = [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": "And of Italy?"},
    ]
    # The official type has no word for the messages of users, which the documentation has in what is compacted.
    lenient = client.copy(_extra_kwargs={"_strict_response_validation": False})
    assert lenient.responses.compact(model="cria", input=items).object == "response.compaction"  # type: ignore[arg-type]
    compacted = server.ask("/v1/responses/compact", {"model": "cria", "input": items})
    *kept, summary = compacted["output"]
    assert [item["content"][0]["text"] for item in kept] == [items[0]["content"], items[2]["content"]]
    assert summary["type"] == "compaction"
    assert compacted["usage"]["output_tokens"] > 0
    more = [*compacted["output"], {"role": "user", "content": "Go on."}]
    longer = whole(server, input=more, **SHORT)["usage"]["input_tokens"]
    assert longer > whole(server, input=[*more[:2], more[-1]], **SHORT)["usage"]["input_tokens"] + 10


def test_pages_of_items_that_were_said_twice_come_to_an_end(client: OpenAI, server: Server) -> None:
    items = [{"id": f"msg_{name}", "role": "user", "content": name} for name in "abc"]
    made = client.conversations.create(items=items[:2])  # type: ignore[arg-type]
    server.ask(f"/v1/conversations/{made.id}/items", {"items": items})
    for order, names in (("asc", "abc"), ("desc", "cba")):
        pages = client.conversations.items.list(made.id, order=order, limit=1)  # type: ignore[arg-type]
        listed = [item.id for item, _ in zip(pages, range(9), strict=False)]
        assert listed == [f"msg_{name}" for name in names]


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "nonsense", "content": "x"}, "items"),
        ({"role": "nobody", "content": "x"}, "items[1].role"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "x"}]}, "items[1]"),
        ({"role": "user", "content": "x", "id": 5}, "items[1].id"),
        ({"type": "compaction", "encrypted_content": "x"}, "items[1]"),
    ],
)
def test_conversation_takes_no_item_that_no_response_could_be_asked_with(
    server: Server, item: dict[str, Any], param: str
) -> None:
    items = [{"role": "user", "content": "One"}, item]
    made = server.ask("/v1/conversations", {"items": items[:1]})
    for path in ("/v1/conversations", f"/v1/conversations/{made['id']}/items"):
        refused = server.post(path, {"items": items})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert len(server.get(f"/v1/conversations/{made['id']}/items").json()["data"]) == 1


def test_conversation_takes_what_lies_elsewhere(server: Server) -> None:
    said = server.ask("/v1/conversations", {"items": [{"id": "msg_elsewhere", "role": "user", "content": "One"}]})
    image = {"type": "input_image", "image_url": "https://example.com/a.png"}
    items = [{"type": "item_reference", "id": "msg_elsewhere"}, {"role": "user", "content": [image]}]
    made = server.ask("/v1/conversations", {"items": items})
    first, second = server.get(f"/v1/conversations/{made['id']}/items?order=asc").json()["data"]
    assert first == server.get(f"/v1/conversations/{said['id']}/items").json()["data"][0]
    assert second["content"] == [image]


def test_only_one_beginning_is_taken(client: OpenAI, server: Server) -> None:
    name = client.conversations.create().id
    asked = {"model": "cria", "input": "Hello", "conversation": name, "previous_response_id": "resp_x"}
    for path in ("/v1/responses", "/v1/responses/input_tokens", "/v1/responses/compact"):
        assert "cannot be used together" in server.post(path, asked).json()["error"]["message"]
    refused = server.post("/v1/responses/compact", {"model": "cria", "input": "Hello", "max_output_tokens": -1})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_output_tokens")


def test_conversations(client: OpenAI) -> None:
    made = client.conversations.create(items=[{"role": "user", "content": "I am Ann."}], metadata={"a": "b"})
    assert client.conversations.retrieve(made.id).metadata == {"a": "b"}
    assert client.conversations.update(made.id, metadata={"c": "d"}).metadata == {"c": "d"}
    answer = client.responses.create(model="cria", input="Who am I?", conversation=made.id, max_output_tokens=8)
    assert answer.conversation is not None
    assert answer.conversation.id == made.id
    items = list(client.conversations.items.list(made.id, order="asc"))
    roles = [item.role for item in items if item.type == "message"]
    if answer.status == "completed":
        assert roles == ["user", "user", "assistant"]
    added = client.conversations.items.create(made.id, items=[{"role": "user", "content": "More"}])
    (more,) = added.data
    assert more.id is not None
    assert client.conversations.items.retrieve(more.id, conversation_id=made.id).type == "message"
    client.conversations.items.delete(more.id, conversation_id=made.id)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(more.id, conversation_id=made.id)
    assert client.conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="cria", input="Who am I?", conversation=made.id)
