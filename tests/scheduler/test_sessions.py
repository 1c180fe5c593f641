"""Conversations whose caches outlive their model in memory."""

import asyncio
import json
import os
import shutil
import stat
import struct
from dataclasses import replace
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from tests.scheduler.conftest import Make, World, request, until
from tests.scheduler.test_api import Serve
from tests.server import Server, wait_for

from puna.inference.events import Finished, Text
from puna.inference.generate import generate
from puna.inference.requests import Completion, Conversation, Message
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.model import Model
from puna.names import parse_name
from puna.scheduler import sessions
from puna.scheduler.beginnings import Head
from puna.scheduler.exchanges import Exchange
from puna.scheduler.lease import Lease
from puna.scheduler.sessions import LEAST_TOKENS, BadSessionError, SessionStore, read_tokens, shared
from puna.scheduler.warm import WarmSlots

MAGIC = 0x67677371


def written(store: SessionStore, place: Path, tokens: list[int], extra: int = 0) -> Path:
    """Write what the engine would write, and return its unfinished file."""
    path = store.unfinished(place)
    listed = [0xFFFFFFFF, 1, len(tokens), *tokens, 0]
    path.write_bytes(struct.pack(f"<III{len(listed)}I", MAGIC, 4, len(listed), *listed) + bytes(extra))
    return path


def kept(store: SessionStore, place: Path, tokens: list[int], extra: int = 0) -> object:
    return store.keep(written(store, place, tokens, extra), len(tokens))


def contents(store: SessionStore, place: Path) -> list[tuple[int, ...]]:
    return sorted(session.tokens for session in store.sessions(place))


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions", 1 << 20)


async def test_a_runner_remembers_no_more_than_what_is_saved_and_given(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, 10_000)
    place = store.directory({"digest": "d"})
    warm = WarmSlots(store, place, 1)

    async def save_slot(slot: int, name: str) -> int:
        (place / name).write_bytes(written(store, place, [slot] * 300).read_bytes())
        return 300

    client = AsyncMock(save_slot=save_slot)
    for slot in range(20):
        await warm._keep(client, Head(Exchange([slot] * 300), slot=slot, read=300))
    assert {session.path for session in warm._beginnings.saved} == set(place.glob("*.beginning"))
    for length in range(1, 400):
        warm._give((1,) * length)
        warm._give((2, length))
    assert (1,) * 399 in warm._given
    assert len(warm._given) <= 64


@pytest.mark.parametrize("same", [0, 1, 2, 3, 7, 8, 9])
def test_two_texts_share_what_both_begin_with(same: int) -> None:
    one = list(range(9))
    assert shared(one, tuple(one[:same])) == same
    assert shared([*one[:same], -1, *one], [*one[:same], -2, *one]) == same


def test_a_session_that_goes_on_takes_the_place_of_the_earlier_one(store: SessionStore) -> None:
    place = store.directory({"model": "m"})
    talk = list(range(300))
    assert kept(store, place, talk[:200])
    assert kept(store, place, [*talk[:190], *[1] * 80])  # where the answer was, text was tokenized anew
    assert kept(store, place, talk[:100]) is None
    assert kept(store, place, talk)
    assert contents(store, place) == [tuple(talk[:190] + [1] * 80), tuple(talk)]


def test_conversations_with_the_same_long_beginning_stand_side_by_side(store: SessionStore) -> None:
    place = store.directory({"model": "m"})
    system = list(range(1000))
    talks = [system + [mark] * 100 for mark in (1, 2)]
    assert all(kept(store, place, talk) for talk in talks)
    assert contents(store, place) == [tuple(talk) for talk in talks]
    assert [(info.model, info.tokens) for info in store.list()] == [("m", 1100)] * 2


def test_nobody_else_can_read_it(store: SessionStore, tmp_path: Path) -> None:
    kept(store, store.directory({"model": "m"}), [1, 2, 3])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "sessions").rglob("*")}
    assert stat.S_IMODE((tmp_path / "sessions").stat().st_mode) == 0o700
    assert all(mode == 0o700 for name, mode in modes.items() if "." not in name)
    assert all(mode == 0o600 for name, mode in modes.items() if name.endswith(".session"))


def test_another_key_has_another_directory(store: SessionStore) -> None:
    assert len({store.directory({"model": "m", "context": context}) for context in (1, 2, 1)}) == 2


def test_context_is_that_of_the_session_used_last(store: SessionStore) -> None:
    places = [store.directory({"digest": "a", "context": context}) for context in (8192, 16384)]
    other = store.directory({"digest": "b", "context": 4096})
    for seconds, place in enumerate((places[1], places[0], other)):
        kept(store, place, [1, 2])
        for path in place.glob("*.session"):
            os.utime(path, (seconds, seconds))
    assert (store.context_of("a"), store.context_of("b"), store.context_of("c")) == (8192, 4096, 0)


def test_the_context_is_found_with_a_look_at_each_directory_and_not_at_each_session(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in range(3):
        place = store.directory({"digest": str(model), "context": 4096})
        for number in range(20):
            kept(store, place, [number, model])
    store.directory({"digest": "empty", "context": 4096})
    looks: list[Path] = []
    about = sessions._about
    monkeypatch.setattr(sessions, "_about", lambda place: (looks.append(place), about(place))[1])
    assert [store.context_of(digest) for digest in ("2", "empty", "none")] == [4096, 0, 0]
    assert len(looks) == 3 * 4


def test_the_least_recently_used_goes_when_there_is_too_much(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, 3500)
    places = [store.directory({"digest": name}) for name in "ab"]
    talks = [tuple([mark] * 100) for mark in range(4)]
    for age, (place, talk) in enumerate([(places[0], talks[0]), (places[1], talks[1])]):
        store.keep(written(store, place, list(talk), 1000), len(talk), used_at=age)
    kept(store, places[1], list(talks[2]), 1000)
    assert [contents(store, place) for place in places] == [[], [talks[1], talks[2]]]
    assert kept(store, places[0], list(talks[3]), 5000) is None


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, struct.pack("<III", MAGIC, 4, 1 << 30), b"x"])
def test_a_file_that_is_something_else_is_removed(store: SessionStore, data: bytes) -> None:
    place = store.directory({"model": "m"})
    path = place / "bad.session"
    path.write_bytes(data)
    with pytest.raises(BadSessionError):
        read_tokens(path)
    assert store.sessions(place) == []
    assert not path.exists()


def test_what_was_left_half_written_is_removed(store: SessionStore) -> None:
    place = store.directory({"model": "m"})
    written(store, place, [1])
    kept(store, place, [2])
    store.clean()
    assert [path.suffix for path in place.iterdir() if path.name != "about.json"] == [".session"]
    assert store.clear() == 1
    store.clean()
    assert not place.exists()


def test_what_another_living_server_uses_is_not_cleaned(tmp_path: Path) -> None:
    living = SessionStore(tmp_path, 1 << 20)
    place, unused = living.directory({"digest": "a"}), living.directory({"digest": "b"})
    writing = written(living, place, [1, 2])
    second = SessionStore(tmp_path, 1 << 20)
    second.clean()
    assert unused.exists()
    assert living.keep(writing, 2) is not None
    leftover = written(living, place, [3])
    del living
    second.clean()
    assert not unused.exists() and not leftover.exists()
    third = SessionStore(tmp_path, 1 << 20)
    leftover = written(second, place, [3])
    third.clean()
    assert leftover.exists()


PROMPT = "The llama walks over the high plateau and looks for water. " * 8


async def answer(world: World, prompt: str, tokens: int = 16, model: Model | None = None) -> tuple[str, Finished]:
    """Return what follows a text, and the counts."""
    text, end = "", None
    asked = replace(request(model or world.cria, tokens), input=Completion(prompt=prompt))
    async for batch in generate(world.scheduler, asked):
        for event in batch:
            if isinstance(event, Text):
                text += event.text
            elif isinstance(event, Finished):
                end = event
    assert end
    return text, end


async def test_a_conversation_goes_on_after_unloading_as_if_nothing_had_been(make: Make) -> None:
    world = make()
    first, _ = await answer(world, PROMPT)
    longer = f"{PROMPT}{first} And then?"
    expected, uninterrupted = await answer(world, longer)
    world.scheduler.sessions.clear()
    await world.scheduler.unload(world.cria)
    world.scheduler.sessions.clear()

    assert (await answer(world, PROMPT))[0] == first
    await world.scheduler.unload(world.cria)
    assert [info.model for info in world.scheduler.sessions.list()] == ["cria:latest"]
    again, end = await answer(world, longer)
    assert again == expected
    assert end.cached_tokens == uninterrupted.cached_tokens > 64
    await world.scheduler.unload(world.cria)
    assert len(world.scheduler.sessions.list()) == 1


SYSTEM = "You live on the high plateau and herd llamas. "
NAMES = ("Ana", "Ben", "Cruz", "Dina")


def turns(name: str, *more: str, system: str = SYSTEM * 3) -> Conversation:
    """Return a conversation that begins like all others."""
    said = [Message(role="system", content=system)]
    for index, text in enumerate((f"My name is {name}. " * 20, *more)):
        said.append(Message(role=("user", "assistant")[index % 2], content=text))
    return Conversation(messages=tuple(said))


def use(world: World, template: str) -> None:
    """Let the model have a Go template, if one is given."""
    if template:
        create(world.library, parse_name("own"), Recipe(base=world.cria.name, template=template), print, lambda: False)
        world.cria = world.library.get("own")


async def chat(world: World, conversation: Conversation) -> tuple[str, Finished]:
    """Return the answer and the counts."""
    events = generate(world.scheduler, replace(request(world.cria, 12), input=conversation))
    said = [event async for batch in events for event in batch]
    text = "".join(event.text for event in said if isinstance(event, Text))
    return text, next(event for event in said if isinstance(event, Finished))


TEMPLATES = ("", "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}")


@pytest.mark.parametrize("template", TEMPLATES)
async def test_conversations_with_the_same_long_beginning_keep_what_follows_it(make: Make, template: str) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2", OLLAMA_CONTEXT_LENGTH="2048")
    use(world, template)
    said: dict[str, tuple[str, ...]] = {}
    for turn, name in enumerate(("Ana", "Ben", "Ana", "Ben", "Ben", "Ana", "Ana", "Ben", "Ana")):
        more = said.get(name, ())
        text, end = await chat(world, turns(name, *more, system=SYSTEM * 30))
        if turn > 2:  # the first turn of one cuts off what the other had said until then
            assert end.prompt_tokens - end.cached_tokens < 64
        said[name] = (*more, text, f"Why {turn}?")


async def test_prompts_that_come_once_are_not_saved_for_their_common_beginning(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2", OLLAMA_CONTEXT_LENGTH="2048")
    for name in NAMES:
        await chat(world, turns(name, system=SYSTEM * 30))
    assert world.scheduler.sessions.list() == []


@pytest.mark.parametrize("template", TEMPLATES)
async def test_conversations_that_took_turns_all_outlive_their_model(make: Make, template: str) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2", OLLAMA_CONTEXT_LENGTH="1024")
    use(world, template)
    answers = {name: (await chat(world, turns(name)))[0] for name in NAMES}
    longer = {name: turns(name, said, "What is my name?") for name, said in answers.items()}
    expected = {name: await chat(world, conversation) for name, conversation in longer.items()}
    await world.scheduler.unload(world.cria)
    world.scheduler.sessions.clear()

    for name in NAMES:
        assert (await chat(world, turns(name)))[0] == answers[name]
    await world.scheduler.unload(world.cria)
    assert len(world.scheduler.sessions.list()) == len(NAMES)
    for name, conversation in longer.items():
        again, end = await chat(world, conversation)
        assert again == expected[name][0]
        assert end.cached_tokens >= expected[name][1].cached_tokens - 1 > 64


async def test_a_conversation_that_begins_like_a_saved_one_leaves_it_to_the_other(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2", OLLAMA_CONTEXT_LENGTH="1024")
    await answer(world, PROMPT * 2 + "Ana feeds it. " * 20)
    await world.scheduler.unload(world.cria)
    assert (await answer(world, PROMPT * 2 + "Ben asks why. " * 20))[1].cached_tokens > 64
    assert (await answer(world, PROMPT * 2 + "Dina looks on. " * 20))[1].cached_tokens > 64
    (session,) = world.scheduler.sessions.list()
    assert (await answer(world, PROMPT * 2 + "Ana feeds it. " * 21))[1].cached_tokens > session.tokens - 64


async def test_what_the_engine_has_lost_is_not_read_again_to_be_saved(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2", OLLAMA_CONTEXT_LENGTH="1024")
    await chat(world, turns("Ana"))
    (entry,) = world.scheduler.loaded()
    assert entry.warm
    entry.warm.note(Exchange(await entry.runner.client.tokenize("This it has never been asked. " * 30), ""))
    await world.scheduler.unload(world.cria)
    assert len(world.scheduler.sessions.list()) == 1


async def test_a_chat_is_restored_after_the_server_was_closed(make: Make) -> None:
    async def cached(world: World, *turns: str) -> int:
        roles = ("user", "assistant")
        said = tuple(Message(role=roles[index % 2], content=turn) for index, turn in enumerate(turns))
        events = generate(world.scheduler, replace(request(world.cria, 8), input=Conversation(messages=said)))
        ends = [event async for batch in events for event in batch if isinstance(event, Finished)]
        return ends[0].cached_tokens

    world = make()
    await cached(world, PROMPT)
    await world.scheduler.close()
    world = make()
    assert await cached(world, PROMPT, "Yes.", "Why?") > 64
    assert await cached(world, "Something else") < 64


async def test_nothing_is_saved_when_it_is_switched_off_or_short(make: Make) -> None:
    world = make(PUNA_SESSIONS="0")
    await answer(world, PROMPT)
    await world.scheduler.unload(world.cria)
    assert world.scheduler.sessions.list() == []
    world = make()
    await answer(world, "Short")
    await world.scheduler.unload(world.cria)
    assert world.scheduler.sessions.list() == []


async def test_nothing_is_written_that_would_be_too_large_to_keep(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make(PUNA_SESSIONS="500K")
    await answer(world, PROMPT)
    monkeypatch.setattr(SessionStore, "unfinished", None)  # nobody is to ask for a name for a file
    await world.scheduler.unload(world.cria)
    assert world.scheduler.sessions.list() == []


async def test_another_context_is_another_session(make: Make) -> None:
    world = make()
    await answer(world, PROMPT)
    await world.scheduler.unload(world.cria)
    world = make(OLLAMA_CONTEXT_LENGTH="1024")
    assert (await answer(world, PROMPT))[1].cached_tokens == 0


async def test_a_broken_session_is_removed_and_does_no_harm(make: Make) -> None:
    world = make()
    expected, _ = await answer(world, PROMPT)
    await world.scheduler.unload(world.cria)
    (path,) = world.settings.models.rglob("*.session")
    os.truncate(path, path.stat().st_size // 2)
    text, end = await answer(world, PROMPT)
    assert text == expected
    assert end.cached_tokens == 0
    assert not path.exists()


def test_sessions_are_listed_and_cleared(serve: Serve) -> None:
    server: Server = serve()
    body = {"model": "cria", "prompt": PROMPT, "stream": False, "options": {"num_predict": 4, "num_ctx": 512}}
    server.ask("/api/generate", body)
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0})
    listed = server.get("/api/puna/sessions").json()
    assert listed["limit"] == 2 << 30
    assert [(entry["model"], entry["tokens"] > 64, entry["size"] > 0) for entry in listed["sessions"]] == [
        ("cria:latest", True, True)
    ]
    assert server.request("DELETE", "/api/puna/sessions").json() == {"removed": 1}
    assert server.get("/api/puna/sessions").json()["sessions"] == []


def test_sessions_of_one_model_are_forgotten(store: SessionStore) -> None:
    places = [store.directory({"digest": digest, "context": context}) for digest in "ab" for context in (1, 2)]
    for place in places:
        kept(store, place, [1, 2, 3])
    assert store.digests() == {"a", "b"}
    store.forget("a")
    assert store.digests() == {"b"}
    assert len(store.list()) == 2


def test_a_name_is_noted_but_no_part_of_the_key(store: SessionStore) -> None:
    first, second = (store.directory({"model": name, "digest": "a"}) for name in ("one", "two"))
    assert first == second
    kept(store, first, [1, 2, 3])
    assert [info.model for info in store.list()] == ["two"]


def read(server: Server, model: str) -> None:
    """Let a model read a text that is long enough to be saved."""
    options = {"num_predict": 4, "num_ctx": 512}
    server.ask("/api/generate", {"model": model, "prompt": PROMPT, "raw": True, "stream": False, "options": options})


def saved(server: Server) -> list[str]:
    return [entry["model"] for entry in server.get("/api/puna/sessions").json()["sessions"]]


def make_model(server: Server, name: str, system: str) -> None:
    server.ask("/api/create", {"model": name, "from": "cria", "system": system, "stream": False})


def test_sessions_go_with_their_model(serve: Serve) -> None:
    server: Server = serve()
    make_model(server, "one", "1")
    for name in ("cria", "one"):
        read(server, name)
        server.ask("/api/generate", {"model": name, "keep_alive": 0})
    assert sorted(saved(server)) == ["cria:latest", "one:latest"]
    server.post("/api/copy", {"source": "one", "destination": "two"})
    server.request("DELETE", "/api/delete", {"model": "one"})
    assert sorted(saved(server)) == ["cria:latest", "one:latest"], "it still has another name"
    make_model(server, "two", "2")
    wait_for(lambda: saved(server) == ["cria:latest"])


def test_a_model_that_is_deleted_while_it_answers_leaves_no_session(serve: Serve) -> None:
    server: Server = serve()
    make_model(server, "one", "1")
    long = {"num_predict": 2000, "num_ctx": 512, "ignore_eos": True}
    lines = server.open_stream("/api/generate", {"model": "one", "prompt": PROMPT, "raw": True, "options": long})
    next(lines)
    server.request("DELETE", "/api/delete", {"model": "one"})
    assert next(lines)["done"] is False
    lines.close()
    wait_for(lambda: not server.loaded(), what="the model to leave memory")
    assert saved(server) == []


async def test_a_model_that_is_deleted_while_it_loads_leaves_memory_and_no_session(make: Make) -> None:
    world = make()
    model = world.another("one")
    asked = asyncio.create_task(answer(world, PROMPT, model=model))
    await until(lambda: world.processes() and directories(world))
    world.scheduler.forget(model.digest)
    assert (await asked)[1].prompt_tokens > 64
    await until(lambda: not world.processes())
    assert not directories(world)
    await answer(world, PROMPT, model=model)  # it is there again
    await world.scheduler.unload(model)
    assert len(world.scheduler.sessions.list()) == 1


async def test_a_model_that_is_deleted_while_it_leaves_memory_leaves_no_session(make: Make) -> None:
    world = make()
    model = world.another("one")
    await answer(world, PROMPT, model=model)
    unloading = asyncio.create_task(world.scheduler.unload(model))
    await until(lambda: not world.scheduler.loaded())
    world.scheduler.forget(model.digest)
    await unloading
    await until(lambda: not directories(world))


def directories(world: World) -> list[Path]:
    return list((world.settings.models / "puna" / "sessions").glob("*"))


def test_sessions_of_models_that_somebody_else_deleted_go_at_the_start(serve: Serve) -> None:
    server: Server = serve()
    make_model(server, "one", "1")
    read(server, "one")
    server.stop()
    assert list(server.world.models.rglob("*.session"))
    shutil.rmtree(server.world.models / "manifests")
    again = serve(world=server.world)
    assert saved(again) == []
    assert not list(server.world.models.rglob("*.session"))


def test_sessions_that_go_while_others_are_read_fail_nobody(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digest in "abc":
        kept(store, store.directory({"digest": digest, "model": digest}), [1, 2, 3])

    def read(path: Path) -> tuple[int, ...]:
        """Let all others go, as happens when their models are deleted meanwhile."""
        for digest in store.digests() - {digest_of(path)}:
            store.forget(digest)
        return read_tokens(path)

    def digest_of(path: Path) -> str:
        return str(json.loads((path.parent / "about.json").read_text())["digest"])

    monkeypatch.setattr("puna.scheduler.sessions.read_tokens", read)
    assert len(store.list()) == 1


async def slot_for(lease: Lease, prompt: Exchange) -> int | None:
    """Return the slot into which what is saved of a prompt has been put."""
    assert lease.warm
    head = Head(prompt)
    assert [progress async for progress in lease.warm.begin(lease.client, head)] == []
    return head.slot


async def test_a_slot_that_waits_with_what_was_restored_is_given_to_nobody_else(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2")
    texts = [PROMPT, "Ships sail the sea by night and carry grain and salt to far harbours. " * 8, "Snow falls. " * 40]
    for text in texts:
        await answer(world, text)
    await world.scheduler.unload(world.cria)
    assert len(world.scheduler.sessions.list()) == 3

    async with world.scheduler.acquire(world.cria, request(world.cria, 1).options.runner) as lease:
        assert lease.warm
        prompts = [Exchange(await lease.client.tokenize(text)) for text in texts]
        slots = [await slot_for(lease, prompt) for prompt in prompts]
        assert sorted(slots[:2]) == [0, 1]
        assert slots[2] is None, "both wait for their requests"
        body = {"prompt": prompts[0].prompt, "n_predict": 1, "cache_prompt": True, "id_slot": slots[0]}
        said = await lease.client.complete(body)
        assert said["timings"]["cache_n"] > LEAST_TOKENS
        assert await slot_for(lease, prompts[2]) == slots[0], "its request has begun"
