"""Files of batches by the official client."""

import json

import pytest
import requests
from tests.batches.batching import begin, chat, finished, upload
from tests.conftest import Serve
from tests.openai.asking import refused
from tests.server import Server

import openai
from openai import OpenAI


def test_a_file_is_kept_until_it_is_deleted(client: OpenAI) -> None:
    data = "häßlich\n".encode() * 300_000  # more than is held in memory
    made = client.files.create(file=("ä.jsonl", data), purpose="batch")
    assert (made.bytes, made.filename, made.purpose, made.object) == (len(data), "ä.jsonl", "batch", "file")
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).content == data
    assert client.files.delete(made.id).deleted
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            gone(made.id)


def test_files_are_listed_a_page_at_a_time(client: OpenAI) -> None:
    made = [upload(client, [str(number)]) for number in range(5)]
    newest = [file.id for file in client.files.list(limit=2)][:5]  # the client turns the pages
    assert newest == made[::-1]
    assert [file.id for file in client.files.list(after=made[0], order="asc", limit=3).data] == made[1:4]
    assert client.files.list(purpose="user_data").data == []
    with refused("after"):
        client.files.list(after="file-x")
    with refused("limit"):
        client.files.list(limit=0)


def test_a_file_may_expire(client: OpenAI) -> None:
    ends = {"anchor": "created_at", "seconds": 7200}
    made = client.files.create(file=("a", b"x"), purpose="batch", expires_after=ends)  # type: ignore[arg-type]
    assert made.expires_at in (made.created_at + 7200, made.created_at + 7201)
    for seconds in (1, "9" * 5000):
        with refused("expires_after"):
            client.files.create(file=("a", b"x"), purpose="batch", expires_after={**ends, "seconds": seconds})  # type: ignore[typeddict-item]


def test_forms_that_say_too_little_are_refused(client: OpenAI, server: Server) -> None:
    with refused("purpose"):
        client.files.create(file=("a", b"x"), purpose="vision")
    without = requests.post(f"{server.url}/v1/files", files={"other": b"x"}, data={"purpose": "batch"}, timeout=60)
    assert (without.status_code, without.json()["error"]["param"]) == (400, "file")
    for body in (b"", b"{}", json.dumps({"file": "x"}).encode()):
        assert server.post("/v1/files", body).status_code == 400
    broken = {"Content-Type": "multipart/form-data"}
    assert server.post("/v1/files", b"x", headers=broken).status_code == 400


def test_a_file_in_use_stays(client: OpenAI) -> None:
    batch = begin(client, [chat("a", tokens=400, truncation="auto", ignore_eos=True)])
    with refused(match="not over"):
        client.files.delete(batch.input_file_id)
    client.batches.cancel(batch.id)
    finished(client, batch.id)
    assert client.files.delete(batch.input_file_id).deleted


def test_space_and_size_are_bounded(serve: Serve) -> None:
    server = serve({"PUNA_BATCHES": "3K", "PUNA_MAX_BODY": "4K"})
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        first = upload(client, ["x" * 2000])
        with refused(match="PUNA_BATCHES", status=507):
            upload(client, ["x" * 2000])
        with refused(match="PUNA_MAX_BODY", status=413):
            upload(client, ["x" * 5000])
        client.files.delete(first)
        batch = begin(client, [chat(f"{number}", "word " * 40) for number in range(6)])
        done = finished(client, batch.id)
        assert done.error_file_id is not None
        assert "insufficient_storage" in client.files.content(done.error_file_id).text
        assert done.request_counts is not None
        assert done.request_counts.completed >= 1
    assert sorted(path.name for path in (server.world.home / ".puna" / "files").iterdir()) == [batch.input_file_id]
