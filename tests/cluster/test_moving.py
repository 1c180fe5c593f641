"""Saved conversations follow to the node that goes on with them, where that is quicker than to read them again."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.cluster.fleet import Cluster
from yarl import URL

from puna.cluster.moving import SavedElsewhere
from puna.inference.requests import Conversation, GenerationRequest, Message
from puna.scheduler.lease import Caller
from puna.scheduler.sessions import SessionStore

TEXT = "The harbour was quiet, and the boats lay side by side. " * 60


async def move(cluster: Cluster) -> tuple[int, int]:
    """Let a conversation begin on one node and go on on another; return its tokens and those that were not read."""
    old = await cluster.fleet.add("old", sessions=1 << 30)
    said = Message(role="user", content=TEXT)
    first = cluster.request(num_ctx=4096)
    first_turn = await cluster.answer(_asking(first, said), Caller("a", conversation="talk"))
    await cluster.fleet.add("new", sessions=1 << 30)
    await cluster.nodes(2)
    await old.drain()
    async with asyncio.timeout(60):
        while not any(state.saved and state.draining for state in cluster.service.nodes()):
            await asyncio.sleep(0.05)
    answered = Message(role="assistant", content=first_turn[0])
    asked = _asking(first, said, answered, Message(role="user", content="And then?"))
    _, end = await cluster.answer(asked, Caller("a", conversation="talk"))
    assert cluster.where() == ["old", "new"]
    return end.prompt_tokens, end.cached_tokens


def _asking(request: GenerationRequest, *messages: Message) -> GenerationRequest:
    return replace(request, input=Conversation(messages=messages))


async def test_it_comes_along_where_reading_takes_longer(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.cluster.moving.UNSEEN_READ_SECONDS", 1.0)
    prompt, cached = await move(cluster)
    assert cached / prompt > 0.9
    new = cluster.fleet.nodes["new"]
    assert new._elsewhere.brought > 0.9 * cached


async def test_it_is_read_again_where_that_is_quicker(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puna.cluster.moving.UNSEEN_READ_SECONDS", 1e-9)
    prompt, cached = await move(cluster)
    assert cached < 0.1 * prompt
    assert not cluster.fleet.nodes["new"]._elsewhere.brought


@pytest.mark.parametrize(
    "path", ["sessions/../../etc", f"sessions/{'0' * 32}/..%2f..%2fpasswd", f"sessions/{'0' * 32}/a"]
)
async def test_nothing_but_saved_states_can_be_asked_for(path: str, cluster: Cluster) -> None:
    await cluster.fleet.add("one")
    address = URL((await cluster.fleet.ask("one", "beat", "test")).store)
    url = f"{address.origin()}/{path}"
    assert (await asyncio.to_thread(requests.get, url, timeout=10)).status_code == 401
    login = (str(address.user), str(address.password))
    assert (await asyncio.to_thread(requests.get, url, timeout=10, auth=login)).status_code == 404


async def test_who_does_not_answer_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, key = SessionStore(tmp_path, 1 << 30), "0" * 32
    elsewhere = SavedElsewhere(store)
    place, tokens = store.place(key), range(1000)
    assert not elsewhere.has(place)
    elsewhere.know("digest", [(key, "http://node:key@127.0.0.1:9")])
    assert elsewhere.has(place)
    asked: list[URL] = []
    find = SavedElsewhere._find

    async def counted(self: SavedElsewhere, url: URL, *arguments: Any) -> Any:
        asked.append(url)
        return await find(self, url, *arguments)

    monkeypatch.setattr(SavedElsewhere, "_find", counted)
    for _ in range(2):
        assert await elsewhere.bring(place, "digest", tokens, 0) is None
    assert len(asked) == 1
    elsewhere.know("digest", [])
    assert not elsewhere.has(place)
    await elsewhere.close()
