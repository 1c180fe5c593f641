"""Batches by the official client, each answer as its route gives it."""

import itertools
import json

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from tests.batches.batching import CHAT, LONG, begin, chat, client_of, finished, lines_of, names, upload
from tests.conftest import Serve
from tests.openai.asking import refused
from tests.server import Server, wait_for

import openai
from openai import OpenAI


def test_answers_are_those_of_the_route(client: OpenAI) -> None:
    texts = [f"Say {number}." for number in range(5)]
    batch = begin(client, [chat(f"n{number}", text) for number, text in enumerate(texts)], metadata={"for": "test"})
    assert (batch.status, batch.endpoint, batch.metadata) == ("validating", CHAT, {"for": "test"})
    done = finished(client, batch.id)
    assert (done.status, done.error_file_id, done.model) == ("completed", None, "cria")
    assert done.completed_at and done.in_progress_at and done.finalizing_at
    lines = lines_of(client, done.output_file_id)
    assert names(lines) == [f"n{number}" for number in range(5)]
    for text, line in zip(texts, lines, strict=True):
        assert (line["error"], line["response"]["status_code"]) == (None, 200)
        got = ChatCompletion.model_validate(line["response"]["body"])
        asked = client.chat.completions.create(
            model="cria", messages=[{"role": "user", "content": text}], max_tokens=3, temperature=0
        )
        assert got.choices == asked.choices
    assert done.usage is not None
    assert done.usage.total_tokens == sum(line["response"]["body"]["usage"]["total_tokens"] for line in lines)
    assert client.files.retrieve(str(done.output_file_id)).purpose == "batch_output"


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [
        ("/v1/embeddings", {"input": "Hello"}, CreateEmbeddingResponse),
        ("/v1/responses", {"input": "Hello", "max_output_tokens": 16, "store": False}, Response),
        ("/v1/completions", {"prompt": "Hello", "max_tokens": 2}, openai.types.Completion),
    ],
)
def test_other_routes_answer_too(client: OpenAI, endpoint: str, body: dict[str, object], kind: type) -> None:
    line = {"custom_id": "one", "method": "POST", "url": endpoint, "body": {"model": "cria", **body}}
    done = finished(client, begin(client, [line], endpoint).id)
    (answer,) = lines_of(client, done.output_file_id)
    assert kind.model_validate(answer["response"]["body"], strict=False)  # type: ignore[attr-defined]
    assert done.usage is not None
    assert done.usage.input_tokens > 0


def test_what_cannot_be_answered_is_in_the_error_file(client: OpenAI) -> None:
    bad = {
        "url": chat("url") | {"url": "/v1/nothing"},
        "method": chat("method") | {"method": "GET"},
        "body": chat("body") | {"body": "x"},
        "none": {"custom_id": "none"},
        "model": chat("model", model="nobody"),
        "field": chat("field", n="x"),
        "stream": chat("stream", stream=True),
        "long": chat("long", "word " * 5000),
    }
    deep = json.dumps(chat("deep")).replace('"Hello"', "[" * 500 + "]" * 500)
    done = finished(client, begin(client, [*bad.values(), deep, chat("good")]).id)
    assert names(lines_of(client, done.output_file_id)) == ["good"]
    errors = {line["custom_id"]: line["response"] for line in lines_of(client, done.error_file_id)}
    assert {name: answer["status_code"] for name, answer in errors.items()} == dict.fromkeys([*bad, "deep"], 400) | {
        "model": 404
    }
    for answer in errors.values():
        assert set(answer["body"]["error"]) == {"message", "type", "param", "code"}
    assert errors["long"]["body"]["error"]["code"] == "context_length_exceeded"
    assert errors["stream"]["body"]["error"]["param"] == "stream"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "empty_file"),
        ([chat("a"), "{"], "invalid_json_line"),
        (["[]"], "invalid_json_line"),
        ([chat("a"), {"url": CHAT}], "invalid_custom_id"),
        ([chat("a"), chat("a")], "duplicate_custom_id"),
    ],
)
def test_a_file_whose_lines_have_no_names_fails(client: OpenAI, lines: list[object], code: str) -> None:
    done = finished(client, begin(client, lines).id)  # type: ignore[arg-type]
    assert (done.status, done.output_file_id) == ("failed", None)
    assert done.failed_at and done.errors and done.errors.data
    assert [(error.code, error.line) for error in done.errors.data] == [(code, len(lines) or None)]


def test_a_file_that_is_gone_holds_no_other_batch_up(serve: Serve) -> None:
    server = serve({"PUNA_BATCH_PARALLEL": "1"})
    server.faults_expected = True
    with client_of(server) as client:
        given = upload(client, [chat("a")])
        server.world.home.joinpath(".puna", "files", given).unlink()
        lost = client.batches.create(input_file_id=given, endpoint=CHAT, completion_window="24h")
        assert finished(client, begin(client, [chat("a")]).id).status == "completed"
        errors = finished(client, lost.id).errors
        assert errors and errors.data
        assert errors.data[0].code == "input_unreadable"


def test_what_a_batch_may_be_is_checked(client: OpenAI) -> None:
    with refused("endpoint"):
        begin(client, [chat("a")], "/v1/moderations")
    for window in ("soon", "0s", "-1", "9999999h"):
        with refused("completion_window"):
            begin(client, [chat("a")], completion_window=window)
    with refused("metadata"):
        begin(client, [chat("a")], metadata={"k": "v" * 600})
    with pytest.raises(openai.NotFoundError, match="No such File"):
        client.batches.create(input_file_id="file-x", endpoint="/v1/embeddings", completion_window="24h")
    for method in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="No batch found"):
            method("batch_x")


def test_batches_are_listed(client: OpenAI) -> None:
    made = [begin(client, [chat("a")]).id for _ in range(3)]
    assert [batch.id for batch in itertools.islice(client.batches.list(limit=2), 3)] == made[::-1]
    for name in made:
        finished(client, name)


def test_a_cancelled_batch_keeps_what_was_answered(client: OpenAI, server: Server) -> None:
    batch = begin(client, [chat("first"), *(chat(f"long {number}", **LONG) for number in range(12))]).id
    wait_for(lambda: client.batches.retrieve(batch).output_file_id)
    partial = names(lines_of(client, client.batches.retrieve(batch).output_file_id))
    assert "first" in partial
    assert client.batches.cancel(batch).status == "cancelling"
    done = finished(client, batch)
    assert (done.status, bool(done.cancelling_at), bool(done.cancelled_at)) == ("cancelled", True, True)
    errors = lines_of(client, done.error_file_id)
    answers = lines_of(client, done.output_file_id)
    assert set(partial) <= set(names(answers))
    assert len(errors) + len(answers) == 13
    assert {line["error"]["code"] for line in errors} == {"batch_cancelled"}
    wait_for(lambda: not server.get("/api/queue").json()["running"], 20)
    assert client.batches.cancel(batch).status == "cancelled"


def test_a_batch_expires(client: OpenAI) -> None:
    batch = begin(client, [chat(f"{number}", **LONG) for number in range(12)], completion_window="1s").id
    done = finished(client, batch)
    assert (done.status, bool(done.expired_at)) == ("expired", True)
    assert {line["error"]["code"] for line in lines_of(client, done.error_file_id)} == {"batch_expired"}


def test_requests_are_of_the_batch_class(client: OpenAI, server: Server) -> None:
    batch = begin(client, [chat("a", priority="interactive", **LONG)]).id
    wait_for(lambda: client.batches.retrieve(batch).status == "in_progress")
    requests = wait_for(lambda: server.get("/api/queue").json()["requests"])
    assert {request["priority"] for request in requests} == {"batch"}
    client.batches.cancel(batch)
    finished(client, batch)


def test_alike_prompts_follow_each_other(serve: Serve) -> None:
    server = serve({"PUNA_BATCH_PARALLEL": "1"})
    beginnings = [letter * 400 for letter in "abc"]
    lines = [
        chat(f"{kind} {number}", text + str(number)) for number in range(4) for kind, text in enumerate(beginnings)
    ]
    with client_of(server) as client:
        done = finished(client, begin(client, lines).id)
        answers = sorted(lines_of(client, done.output_file_id), key=lambda line: line["response"]["body"]["id"])
        order = [line for line in server.log().splitlines() if "dialect=openai" in line]
        known = {f"id={line['response']['request_id']} ": line["custom_id"].split()[0] for line in answers}
        kinds = [kind for entry in order for name, kind in known.items() if name in entry]
    assert len(kinds) == len(lines)
    assert len(list(itertools.groupby(kinds))) == 3


def test_nothing_is_asked_outside_the_hours(serve: Serve) -> None:
    server = serve({"PUNA_BATCH_HOURS": "0:00-0:01", "TZ": "UTC-12:30"})
    with client_of(server) as client:
        name = begin(client, [chat("a")]).id
        wait_for(lambda: client.batches.retrieve(name).status == "in_progress")
        assert server.get("/api/queue").json()["requests"] == []
        client.batches.cancel(name)
        assert finished(client, name).status == "cancelled"


def test_a_server_may_take_none(serve: Serve) -> None:
    with client_of(serve({"PUNA_BATCHES": "0"})) as client, refused(match="PUNA_BATCHES"):
        upload(client, ["x"])
