"""Copying as a task of its own: what stands somewhere in the context is to be written down, word for word.

From a line to contexts of thousands of tokens: notes, tables and talk in which one value is asked for by its key, by its
place, or by what stands beside it. Nothing is to be known, so that all of the loss is copying.
"""

import random
from collections.abc import Callable, Iterator

from cria.data.composed import forms, values
from cria.data.composed.grammar import expand, fill
from cria.data.composed.values import KINDS, word
from cria.data.skills.common import assistant, finish, user
from cria.data.skills.words import Draw, draw
from cria.examples import Case, Example, Message, Split

LENGTHS = (2, 3, 4, 6, 8, 12, 16, 24, 40, 60)
"""How many notes or lines stand in the context; those above ``SHORT`` only for long contexts."""
SHORT = 16
TALK = (30, 60, 100, 150)
"""How many turns lie between a fact and the question for it, for long contexts."""
SAY_EN = ("[Repeat|Copy|Write down|Type|Echo|Say] [exactly|word for word|just this|after me]: {x}",)
SAY_ZH = ("[重复|照抄|写下|跟着说|原样输出]：{x}",)
KEY_EN = ("[What is|Tell me|Look up|And|Give me] [the entry for|what stands beside|the value of] {k}?",)
KEY_ZH = ("[{k}[是什么|对应什么|那一行写着什么]|查一下{k}]？",)
NEXT_EN = ("[Which line comes|What stands] [right after|after|next to] “{k}”?",)
NEXT_ZH = ("“{k}”[后面|下面]一行是什么？",)
KEEP_EN = ("[Keep in mind|Remember|Note|For later]: {k} [is|means|belongs to] {x}.",)
KEEP_ZH = ("[记住|记一下|先说好]：{k}[是|对应|归]{x}。",)
NOTED_EN = ("[Noted.|I will remember.|All right.|Good.]",)
NOTED_ZH = ("[记下了。|好的。|我会记住。]",)


def value(d: Draw) -> str:
    """Any value that a sentence can say."""
    kind = d.pick([name for name, kind in KINDS.items() if kind.type == "string" and name != "text"])
    return KINDS[kind].make(d)[0]


def repeat(d: Draw, longest: int) -> list[Message]:
    """One to many values or a sentence, written again."""
    pieces = [value(d) if d.chance(0.6) else word(d, "noun") for _ in range(d.pick((1, 1, 2, 3, 5)))]
    text = d.pick((" ", "，" if d.zh else ", ")).join(pieces)
    if d.chance(0.3):
        text = forms.fact(d, telling=False).text
    return [user(fill(expand(d, d.say(SAY_EN, SAY_ZH)), {"x": text})), assistant(text)]


def table(d: Draw, longest: int) -> list[Message]:
    """Lines of key and value, of which some are asked for by turns; keys differ, and often in one word only."""
    number = d.pick([length for length in LENGTHS if length <= longest])
    make = d.pick((value, lambda d: word(d, "noun"), values.thing, values.person))
    keys = d.several(lambda: make(d), number, number)
    lines = {key: value(d) if d.chance(0.7) else str(d.rng.randint(1, 99999)) for key in keys}
    sign = d.pick((": ", " = ", " - ", " | ", "\t")) if not d.zh else d.pick(("：", "=", " ", "|"))
    text = "\n".join(f"{key}{sign}{found}" for key, found in lines.items())
    key, *others = d.several(lambda: d.pick(keys), 1, 4)
    question = fill(expand(d, d.say(KEY_EN, KEY_ZH)), {"k": key})
    messages = [user(f"{text}\n{question}" if d.chance(0.7) else f"{question}\n{text}"), assistant(lines[key])]
    for other in others:
        messages += [user(fill(expand(d, d.say(KEY_EN, KEY_ZH)), {"k": other})), assistant(lines[other])]
    return messages


def following(d: Draw, longest: int) -> list[Message]:
    """A list of sentences; the one after another is asked for."""
    number = d.pick([length for length in LENGTHS if 3 <= length <= longest])
    lines = d.several(lambda: forms.fact(d, telling=False).text, number, number)
    at = d.rng.randrange(len(lines) - 1)
    question = fill(expand(d, d.say(NEXT_EN, NEXT_ZH)), {"k": lines[at]})
    return [user("\n".join(lines) + "\n" + question), assistant(lines[at + 1])]


def talk(d: Draw, longest: int) -> list[Message]:
    """A fact, other facts and remarks, and then a question for the first one; and perhaps for another."""
    turns = d.pick((1, 2, 4, 8)) if longest <= SHORT else d.pick(TALK)
    kept: dict[str, str] = {}
    messages: list[Message] = []
    for index in range(turns):
        if index == 0 or d.chance(0.3):
            key, found = word(d, "noun"), value(d)
            if key not in kept:
                kept[key] = found
                said = fill(expand(d, d.say(KEEP_EN, KEEP_ZH)), {"k": key, "x": found})
                messages += [user(said), assistant(expand(d, d.say(NOTED_EN, NOTED_ZH)))]
                continue
        messages += [user(forms.fact(d, telling=False).text), assistant(expand(d, d.say(NOTED_EN, NOTED_ZH)))]
    for key in dict.fromkeys((next(iter(kept)), d.pick(list(kept)))):
        messages += [user(fill(expand(d, d.say(KEY_EN, KEY_ZH)), {"k": key})), assistant(kept[key])]
    return messages


MAKERS: tuple[tuple[float, str, Callable[[Draw, int], list[Message]]], ...] = (
    (0.35, "repeat", repeat),
    (0.3, "table", table),
    (0.15, "following", following),
    (0.2, "talk", talk),
)


def exercises(rng: random.Random, split: Split, longest: int) -> Iterator[Example | Case]:
    """Endless exercises with at most ``longest`` lines; above ``SHORT`` none that only repeat."""
    makers = MAKERS if longest <= SHORT else MAKERS[1:]
    while True:
        _, name, make = rng.choices(makers, [weight for weight, _, _ in makers])[0]
        yield finish(split, make(draw(rng, split, 0.5), longest), f"copying/{name}")


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Endless exercises that fit a short context."""
    return exercises(rng, split, SHORT)
