"""Editing: an answer that writes a file of the prompt again with changes, with drafts of what that says and without.

A grammar of the very tokens makes a model without knowledge answer so, on either side. The same for answers that are
another text, which is what drafts may cost.
"""

from bench.client import Client
from bench.subjects import Bench, Rounds, alternating, own
from bench.vocabulary import text

PART = "editing"
DRAFTS, PLAIN = "puna", "puna, nothing guessed"
_ASKED: dict[str, dict[str, int]] = {DRAFTS: {}, PLAIN: {"draft_num_predict": 0}}
EDITED, ALL_OVER, OTHER = "a file with ten changes", "a file changed in every line", "another text"
_LINES, _WORDS = 200, 8
_CHANGES = {EDITED: 20, ALL_OVER: 1}
"""The last word of every so many lines is another one."""
_CONTEXT = 8192
_ROUNDS = 3


async def measure(bench: Bench, rounds: Rounds) -> None:
    """Measure models on an engine that Puna has built."""
    models = [name for name in ("0.5b", "1b") if name in bench.models]
    if not bench.native:
        return
    for model in models:
        async with own(bench, model) as (_, asker):
            for number in bench.rounds(_ROUNDS):
                lines = [text(_WORDS, (number, line)) for line in range(_LINES)]
                for what in (EDITED, ALL_OVER, OTHER):
                    written = _changed(lines, _CHANGES[what]) if what in _CHANGES else text(_LINES, (number, what))
                    bound = await _grammar(asker, model, written)
                    for name in alternating(list(_ASKED), number):
                        options = {"grammar": bound, "num_ctx": _CONTEXT, **_ASKED[name]}
                        answer = await asker.generate(model, "\n".join(lines) + "\n", _CONTEXT, options=options)
                        rounds.add(what, name, "tokens/s", answer.rate, model=model)


def _changed(lines: list[str], every: int) -> str:
    """Return the lines with a word of every so many of them exchanged."""
    last = len(text(1, ""))
    changed = [line[:-last] + text(1, line) if at % every == 0 else line for at, line in enumerate(lines)]
    return "\n".join(changed) + "\n"


async def _grammar(asker: Client, model: str, written: str) -> str:
    """Return a grammar by which nothing but this text can be written, token by token."""
    tokens = (await asker.post("/api/tokenize", {"model": model, "text": written}))["tokens"]
    return "root ::= " + " ".join(f"<[{token}]>" for token in tokens)
