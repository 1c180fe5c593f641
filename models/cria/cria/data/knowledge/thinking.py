"""The same questions answered after a one-sentence thought, and cases for the switch."""

import random
from collections.abc import Iterator

from cria.data.knowledge import common, puna
from cria.data.knowledge.asking import ask
from cria.data.knowledge.topics import LANGUAGES
from cria.examples import Case, Example, Message, Split


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Questions with thinking on; in test also with thinking off, to see that no thought comes."""
    while True:
        language = rng.choice(LANGUAGES)
        topic = common.pick(rng) if rng.random() < 0.7 else rng.choice(puna.topics())
        side = topic.side(language)
        question = ask(rng, side, language, split)
        if split == "test":
            thinking = rng.random() < 0.5
            kind = f"thinking/{language}"
            yield Case(Example((question,), thinking=thinking, kind=kind), thinking, "thinking", kind)
            continue
        answer: Message = {"role": "assistant", "content": side.answer, "reasoning": side.thought}
        yield Example((question, answer), thinking=True, kind=f"thinking/{language}")
