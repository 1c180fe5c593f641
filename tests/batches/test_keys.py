"""Batches of keys: each sees its own, and may ask what it may."""

import contextlib
import sqlite3
from typing import Any

import pytest
from tests.batches.batching import begin, chat, finished, lines_of, names
from tests.conftest import Serve
from tests.keys.conftest import key_of
from tests.server import Server, wait_for

import openai
from openai import OpenAI
from puna.accounts import changes
from puna.accounts.store import Store


def keyed(server: Server, name: str, **words: Any) -> OpenAI:
    """A client with a new key."""
    return OpenAI(base_url=f"{server.url}/v1", api_key=key_of(server.world, name, **words), max_retries=0)


def test_a_key_has_its_own_batches_and_its_limits_hold(serve: Serve) -> None:
    server = serve()
    ada, bob = keyed(server, "ada", models=["cria"]), keyed(server, "bob")
    batch = begin(ada, [chat("a"), chat("b", model="other")])
    done = finished(ada, batch.id)
    assert names(lines_of(ada, done.output_file_id)) == ["a"]
    (error,) = lines_of(ada, done.error_file_id)
    assert error["response"]["status_code"] == 404
    assert [one.id for one in ada.batches.list()] == [batch.id]
    for call in (bob.batches.retrieve, bob.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            call(batch.id)
    for read in (bob.files.retrieve, bob.files.content, bob.files.delete):
        with pytest.raises(openai.NotFoundError):
            read(batch.input_file_id)
    with pytest.raises(openai.NotFoundError):
        bob.batches.create(input_file_id=batch.input_file_id, endpoint="/v1/embeddings", completion_window="24h")


def test_a_key_over_its_limits_waits_and_holds_nobody_up(serve: Serve) -> None:
    server = serve({"PUNA_BATCH_PARALLEL": "1"})
    bob, ada = keyed(server, "bob", tokens="20/h"), keyed(server, "ada")
    held = begin(bob, [chat(f"{number}", f"Hi {number}") for number in range(4)]).id
    assert finished(ada, begin(ada, [chat("a")]).id).status == "completed"
    assert bob.batches.retrieve(held).status == "in_progress"
    with Store(server.world.home / ".puna" / "accounts.db") as store:
        changes.change(store, "bob", {"tokens": "100000/h"})
    done = finished(bob, held)
    assert (names(lines_of(bob, done.output_file_id)), done.error_file_id) == (["0", "1", "2", "3"], None)


def test_a_key_has_nothing_of_a_revoked_one_of_its_name(serve: Serve) -> None:
    server = serve()
    first = keyed(server, "ada")
    batch = finished(first, begin(first, [chat("a")]).id)
    said = first.conversations.create(items=[{"type": "message", "role": "user", "content": "Hi"}])
    with Store(server.world.home / ".puna" / "accounts.db") as store:
        first.api_key = changes.rotate(store, "ada")[1]
        assert first.batches.retrieve(batch.id).id == batch.id
        changes.revoke(store, "ada")
    second = keyed(server, "ada")
    assert ([*second.files.list()], [*second.batches.list()]) == ([], [])
    for read, name in (
        (second.files.content, batch.input_file_id),
        (second.batches.retrieve, batch.id),
        (second.conversations.retrieve, said.id),
    ):
        with pytest.raises(openai.NotFoundError):
            read(name)
    own = finished(second, begin(second, [chat("b")]).id)
    assert names(lines_of(second, own.output_file_id)) == ["b"]
    with Store(server.world.home / ".puna" / "accounts.db") as store:
        second.api_key = changes.rotate(store, "ada")[1]
    assert [one.id for one in second.batches.list()] == [own.id]


def test_a_revoked_key_asks_nothing_more(serve: Serve) -> None:
    server = serve({"PUNA_BATCH_PARALLEL": "1"})
    ada = keyed(server, "ada")
    name = begin(ada, [chat(f"{number}", tokens=300, ignore_eos=True) for number in range(30)]).id
    wait_for(lambda: ada.batches.retrieve(name).output_file_id)
    with Store(server.world.home / ".puna" / "accounts.db") as store:
        changes.revoke(store, "ada")
    with pytest.raises(openai.AuthenticationError):
        ada.batches.retrieve(name)
    journal = server.world.home / ".puna" / "batches.db"

    def last() -> str:
        with contextlib.closing(sqlite3.connect(journal)) as connection:
            found = connection.execute("SELECT line FROM items WHERE number = 29").fetchone()[0]
        return (found or b"").decode()

    assert "the key that asks for this is not valid any more" in wait_for(last)
