"""A new conversation of an agent, whose 20,000 tokens of instructions a conversation before had as well."""

from bench.client import Client
from bench.parts.first_token import LOADED
from bench.servers import PunaServer
from bench.subjects import Bench, Rounds, own, restart
from bench.vocabulary import text

PART = "agent"
FIRST, NEXT, RESTARTED = "the first", "one more", "one more after a restart"
_ROUNDS = 2
_INSTRUCTIONS, _QUESTION, _ANSWER = 20_000, 40, 4
_CONTEXT = 24_576


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure the smallest model whose context holds the instructions."""
    model = bench.real
    async with own(bench, model) as (server, asker):
        for number in bench.rounds(_ROUNDS):
            await _conversations(server, asker, model, number, rounds)


async def _conversations(server: PunaServer, asker: Client, model: str, number: int, rounds: Rounds) -> None:
    await asker.unload(model)
    system = {"role": "system", "content": text(_INSTRUCTIONS, number)}
    for measured in (FIRST, NEXT, RESTARTED):
        if measured == RESTARTED:
            restart(server, asker)
        question = {"role": "user", "content": text(_QUESTION, (number, measured))}
        answer = await asker.chat(model, [system, question], _ANSWER, options={"num_ctx": _CONTEXT})
        rounds.add(measured, "puna", "s", answer.first, model=model)
        rounds.add(f"{measured}{LOADED}", "puna", "s", answer.first - answer.load, model=model)
