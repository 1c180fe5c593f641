"""A conversation of 2,000 tokens: the seconds to the first token, cold, warm, after an unload and after a restart."""

from bench.client import Client
from bench.servers import PunaServer
from bench.subjects import Bench, Rounds, own, peers
from bench.vocabulary import text

PART = "first-token"
_ROUNDS = 3
_TOKENS = 2000
_QUESTION, _ANSWER = 12, 4

Messages = list[dict[str, str]]


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the largest model; a peer is not restarted."""
    model = list(bench.models)[-1]
    async with own(bench, model) as (server, asker), peers(bench, model) as others:
        for number in bench.rounds(_ROUNDS):
            messages = await _unloaded(asker, model, f"puna {number}", "puna", rounds)
            rounds.add("after a restart", "puna", "s", await _restarted(server, asker, model, messages), model=model)
            for name, other in others.items():
                await _unloaded(other, model, f"{name} {number}", name, rounds)


async def _unloaded(asker: Client, model: str, seed: str, name: str, rounds: Rounds) -> Messages:
    """Measure a new conversation without the model in memory, its second turn, and its third after an unload."""
    await asker.unload(model)
    messages = [{"role": "user", "content": text(_TOKENS, seed)}]
    for measured in ("cold", "warm", "after an unload"):
        answer = await asker.chat(model, messages, _ANSWER)
        rounds.add(measured, name, "s", answer.first, model=model)
        messages = _goes_on(messages, f"{seed} {measured}")
        if measured == "warm":
            await asker.unload(model)
    return messages


async def _restarted(server: PunaServer, asker: Client, model: str, messages: Messages) -> float:
    server.stop()
    server.start()
    asker.url = server.url
    return (await asker.chat(model, messages, _ANSWER)).first


def _goes_on(messages: Messages, seed: str) -> Messages:
    answer = {"role": "assistant", "content": text(_ANSWER, f"{seed} answer")}
    return [*messages, answer, {"role": "user", "content": text(_QUESTION, seed)}]
