"""A conversation of 2,000 tokens: the seconds to the first token, cold, warm, after an unload and after a restart.

What comes after the model has been loaded is what a saved conversation can save, so that is told by itself as well.
"""

from bench.client import Answer, Client
from bench.servers import PunaServer
from bench.subjects import Bench, Rounds, own, peers, restart
from bench.vocabulary import text

PART = "first-token"
LOADED = ", load not counted"
_LOADING = ("cold", "after an unload", "after a restart")
_ROUNDS = 3
_TOKENS = 2000
_QUESTION, _ANSWER = 12, 4
_SYSTEM, _OWN = 1200, 400
"""Tokens of a system prompt that two conversations have in common, and of what each begins with."""
_TURNS = 5

Messages = list[dict[str, str]]


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the largest model; a peer is not restarted."""
    model = list(bench.models)[-1]
    async with own(bench, model) as (server, asker), peers(bench, model) as others:
        for number in bench.rounds(_ROUNDS):
            messages = await _unloaded(asker, model, f"puna {number}", "puna", rounds)
            _add(rounds, "after a restart", "puna", model, await _restarted(server, asker, model, messages))
            for name, other in others.items():
                await _unloaded(other, model, f"{name} {number}", name, rounds)
            for name, subject in {"puna": asker, **others}.items():
                await _turn_about(subject, model, f"{name} {number}", name, rounds)


async def _unloaded(asker: Client, model: str, seed: str, name: str, rounds: Rounds) -> Messages:
    """Measure a new conversation without the model in memory, its second turn, and its third after an unload."""
    await asker.unload(model)
    messages = [{"role": "user", "content": text(_TOKENS, seed)}]
    for measured in ("cold", "warm", "after an unload"):
        answer = await asker.chat(model, messages, _ANSWER)
        _add(rounds, measured, name, model, answer)
        messages = _goes_on(messages, f"{seed} {measured}")
        if measured == "warm":
            await asker.unload(model)
    return messages


async def _turn_about(asker: Client, model: str, seed: str, name: str, rounds: Rounds) -> None:
    """Measure the last of some turns that two conversations take, one after the other."""
    system = {"role": "system", "content": text(_SYSTEM, f"{seed} system")}
    talks = [[system, {"role": "user", "content": text(_OWN, f"{seed} {own}")}] for own in range(2)]
    for turn in range(_TURNS):
        answer = await asker.chat(model, talks[turn % 2], _ANSWER)
        talks[turn % 2] = _goes_on(talks[turn % 2], f"{seed} turn {turn}")
    _add(rounds, "turn about", name, model, answer)


async def _restarted(server: PunaServer, asker: Client, model: str, messages: Messages) -> Answer:
    restart(server, asker)
    return await asker.chat(model, messages, _ANSWER)


def _add(rounds: Rounds, measured: str, name: str, model: str, answer: Answer) -> None:
    rounds.add(measured, name, "s", answer.first, model=model)
    if measured in _LOADING:
        rounds.add(f"{measured}{LOADED}", name, "s", answer.first - answer.load, model=model)


def _goes_on(messages: Messages, seed: str) -> Messages:
    answer = {"role": "assistant", "content": text(_ANSWER, f"{seed} answer")}
    return [*messages, answer, {"role": "user", "content": text(_QUESTION, seed)}]
