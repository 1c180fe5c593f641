"""What prompts have in common is read once, and given to every slot."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.scheduler.conftest import Make, World, request

from puna.inference.events import Finished, Reading, Text
from puna.inference.generate import generate
from puna.inference.requests import Completion, Conversation, GenerationRequest, Message
from puna.models.gguf import read_gguf
from puna.scheduler.beginnings import LEAST_SHARED, Beginnings, needs_whole
from puna.scheduler.sessions import Session

SYSTEM = "You live on the high plateau, herd llamas and answer what travellers ask. " * 40
NAMES = ("Ana", "Ben", "Cruz", "Dina", "Emil", "Flor")
COMMON = tuple(range(1000))


def beginnings(*saved: int, whole: bool = False) -> Beginnings:
    """Return what is known where so many tokens of what all prompts begin with are saved."""
    return Beginnings([Session(Path(str(count)), COMMON[:count]) for count in saved], whole=whole)


def test_without_company_whole_steps_are_read_and_nothing_is_saved() -> None:
    known = beginnings()
    assert list(known.ends((*COMMON, 5), 0)) == [768]
    assert list(known.ends(COMMON[:257], 0)) == [256]
    assert list(known.ends(COMMON[:256], 0)) == [], "nothing is won for a prompt of one step"


def test_what_others_that_wait_begin_with_is_read_and_saved() -> None:
    known = beginnings()
    first, second = (*COMMON, 5, 6), (*COMMON, 7, 8)
    with known.coming(first), known.coming(second):
        assert list(known.ends(first, 0)) == [1000, 0]
        assert list(known.ends(second, 1000)) == [], "then it is there"


@pytest.mark.parametrize(("same", "whole", "ends"), [(1000, False, [1000, 0]), (600, False, [0]), (600, True, [])])
def test_who_comes_while_a_prompt_is_read_has_its_part_in_it(same: int, whole: bool, ends: list[int]) -> None:
    known = beginnings(whole=whole)
    first, second = (*COMMON, 5), (*COMMON[:same], 7, 8)
    with known.coming(first):
        plan = known.ends(first, 0)
        assert next(plan) == 768
        with known.coming(second):
            assert list(plan) == ends


def test_what_was_read_of_late_counts_as_company_but_not_the_prompt_itself() -> None:
    known = beginnings()
    prompt = (*COMMON, 5)
    with known.coming(prompt):
        assert known.company(prompt) == 0
    with known.coming((*COMMON[:400], 1)):
        pass
    other = (*COMMON[:500], 9)
    assert known.company(other) == 500
    assert known.company(prompt[:300]) == 299, "the last token is for the request itself"


@pytest.mark.parametrize(("whole", "usable"), [(False, 700), (True, 0)])
def test_a_beginning_may_be_used_in_part_where_the_engine_can_cut_it(whole: bool, usable: int) -> None:
    known = beginnings(1000, whole=whole)
    assert known.usable(known.saved[0], (*COMMON[:700], 1)) == usable
    assert known.usable(known.saved[0], (*COMMON, 1)) == 1000
    assert known.usable(known.saved[0], COMMON[: LEAST_SHARED - 1]) == 0


def test_headers_tell_what_cannot_be_cut(make: Make) -> None:
    header = read_gguf(make().cria.path)
    assert not needs_whole(header)
    assert needs_whole(replace(header, metadata={**header.metadata, "llama.attention.sliding_window": 512}))
    assert needs_whole(replace(header, metadata={**header.metadata, "llama.ssm.conv_kernel": 4}))


def asked(world: World, name: str, *, raw: bool) -> GenerationRequest:
    """Return a question after what all have in common, as a text or as a conversation."""
    question = f"{name} asks: why? " * 8
    messages = (Message(role="system", content=SYSTEM), Message(role="user", content=question))
    said = Completion(prompt=f"{SYSTEM}{question}") if raw else Conversation(messages=messages)
    return replace(request(world.cria, 8), input=said)


async def ask(world: World, request: GenerationRequest) -> tuple[str, Finished]:
    """Return the answer and its counts."""
    said = [event async for batch in generate(world.scheduler, request) for event in batch]
    assert isinstance(said[-1], Finished)
    return "".join(event.text for event in said if isinstance(event, Text)), said[-1]


def read(ends: list[Finished]) -> int:
    """Return how many tokens the engine has read for these answers."""
    return sum(end.prompt_tokens - end.cached_tokens for end in ends)


@pytest.mark.parametrize("raw", [True, False])
async def test_those_that_come_at_once_are_read_once_and_answer_as_if_alone(make: Make, raw: bool) -> None:
    world = make(OLLAMA_NUM_PARALLEL="6", OLLAMA_CONTEXT_LENGTH="2048")
    alone = []
    for name in NAMES:
        alone.append(await ask(world, asked(world, name, raw=raw)))
        await world.scheduler.unload(world.cria)
        world.scheduler.sessions.clear()
    one = alone[0][1]
    assert one.prompt_tokens > 2 * LEAST_SHARED

    together = await asyncio.gather(*(ask(world, asked(world, name, raw=raw)) for name in NAMES))
    assert [text for text, _ in together] == [text for text, _ in alone]
    assert [end.prompt_tokens for _, end in together] == [end.prompt_tokens for _, end in alone]
    assert read([end for _, end in together]) < 1.5 * one.prompt_tokens
    assert min(end.cached_tokens for _, end in together) == 0, "one of them has read it"
    assert min(end.prompt_duration for _, end in together) > 0
    (entry,) = world.scheduler.loaded()
    assert entry.warm
    assert len(world.scheduler.sessions.beginnings(entry.warm.place)) == 1


async def test_a_beginning_is_learnt_from_use_and_there_after_a_restart(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="4", OLLAMA_CONTEXT_LENGTH="2048")
    for name in NAMES[:2]:
        _, end = await ask(world, asked(world, name, raw=True))
    (entry,) = world.scheduler.loaded()
    assert entry.warm
    (saved,) = world.scheduler.sessions.beginnings(entry.warm.place)
    assert [info.beginning for info in world.scheduler.sessions.list(beginnings=True)] == [True]
    assert world.scheduler.sessions.list() == []
    await world.scheduler.close()

    later = make(OLLAMA_NUM_PARALLEL="4", OLLAMA_CONTEXT_LENGTH="2048")
    ends = [end for _, end in await asyncio.gather(*(ask(later, asked(later, name, raw=True)) for name in NAMES[2:]))]
    assert min(end.cached_tokens for end in ends) >= len(saved.tokens) > end.prompt_tokens // 2


async def test_progress_counts_the_whole_prompt(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2", OLLAMA_CONTEXT_LENGTH="2048")
    told = replace(asked(world, "Ana", raw=True), with_reading=True)
    said = [event async for batch in generate(world.scheduler, told) for event in batch]
    reading = [event for event in said if isinstance(event, Reading)]
    end = said[-1]
    assert isinstance(end, Finished)
    assert {event.prompt_tokens for event in reading} == {end.prompt_tokens}
    assert {event.cached_tokens for event in reading} == {0}
    assert [event.read_tokens for event in reading] == sorted(event.read_tokens for event in reading)
    assert reading[-1].read_tokens == end.prompt_tokens


async def test_a_conversation_that_goes_on_does_not_wait_for_what_others_have_read(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="3", OLLAMA_CONTEXT_LENGTH="2048")
    first = asked(world, "Ana", raw=False)
    text, _ = await ask(world, first)
    (entry,) = world.scheduler.loaded()
    other = entry.runner.client.borrowed()
    await other.take_turn()
    assert isinstance(first.input, Conversation)
    more = (Message(role="assistant", content=text), Message(role="user", content="And then?"))
    longer = replace(first, input=Conversation(messages=(*first.input.messages, *more)))
    async with asyncio.timeout(60):
        _, end = await ask(world, longer)
    assert end.cached_tokens > LEAST_SHARED
    new = asyncio.create_task(ask(world, asked(world, "Ben", raw=False)))
    done, _ = await asyncio.wait([new], timeout=0.5)
    assert not done, "a new one does wait"
    other.leave_turn()
    async with asyncio.timeout(60):
        await new


async def test_who_goes_away_while_the_beginning_is_read_takes_nobody_s_turn(make: Make) -> None:
    world = make(OLLAMA_NUM_PARALLEL="2", OLLAMA_CONTEXT_LENGTH="2048")
    stream = generate(world.scheduler, replace(asked(world, "Ana", raw=True), with_reading=True))
    async for batch in stream:
        if isinstance(batch[0], Reading):
            break
    await stream.aclose()
    async with asyncio.timeout(60):
        await ask(world, asked(world, "Ben", raw=True))
