"""Ways in which people type a question: with or without politeness, capitals and punctuation."""

import random
import re

from cria.data.knowledge.frames import FRAMES
from cria.data.knowledge.held_out import is_held_out
from cria.data.knowledge.topics import Language, Side
from cria.data.knowledge.varying import vary
from cria.examples import Case, Example, Message, Split

ASKING_STARTS = (
    "what what's why how who when where which is are do does did can could may must at in with for by from has have "
    "will should under after on into"
)
ASKING_LATER = re.compile(r"[,.:;?] (?:and |but |so )?(?:what|which|whose|who|how|why|where|when)\b", re.IGNORECASE)
ASKING_MARKS = (
    "什么 为什么 怎么 怎样 吗 谁 哪 多少 几 如何 为何 为啥 多久 多大 多远 多快 多长 多高 多小 呢 是不是 能不能 有没有"
)

MORE_FRAMES = 0.12
"""Share of the questions of training that get a frame besides those that get one in both splits."""

OTHERWISE = 0.4
"""Share of the questions of training that go round the usual words, where the topic has such."""

SECOND_FRAME = 0.2
"""Share of the framed questions of training that have something both before and after."""


def is_asking(question: str, language: Language) -> bool:
    """Whether the wording is a question, so that a question mark fits."""
    if language == "en":
        return question.split()[0].lower().strip(",") in ASKING_STARTS.split() or bool(ASKING_LATER.search(question))
    return any(mark in question for mark in ASKING_MARKS.split())


def _end_mark(rng: random.Random, question: str, language: Language) -> str:
    asking = is_asking(question, language)
    if language == "en":
        return "?" if asking else "."
    return rng.choice("？？?") if asking else "。"


def wrap(rng: random.Random, question: str, language: Language, split: Split) -> str:
    """One way of typing the question; test has frames of its own besides the plain forms."""
    mark = _end_mark(rng, question, language)
    if split == "train" and rng.random() < MORE_FRAMES:
        return _framed(rng, question, mark, language, split)
    style = rng.random()
    first_upper = question[0].upper() + question[1:]
    if style < 0.45:
        return first_upper + mark
    if style < 0.55:
        return question + mark
    if style < 0.67:
        return question
    if style < 0.71:
        return first_upper + mark + rng.choice((" ", "\n", "  "))
    if style < 0.74 and language == "en":
        return question.lower()
    return _framed(rng, question, mark, language, split)


def _framed(rng: random.Random, question: str, mark: str, language: Language, split: Split) -> str:
    """The question with something before it, after it or, in training, both."""
    frames = FRAMES[language][split]
    frame = rng.choice(frames)
    goes_on = frame.partition("{}")[0].endswith((", ", "And "))
    inner = question[0].upper() + question[1:] if language == "en" and not goes_on else question
    text = frame.format(inner + mark)
    if split == "train" and rng.random() < SECOND_FRAME:
        after = frame.startswith("{}")
        text = rng.choice([other for other in frames if other.startswith("{}") != after]).format(text)
    return text


def user(content: str) -> Message:
    """A user's turn."""
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    """An answer."""
    return {"role": "assistant", "content": content}


def ask(rng: random.Random, side: Side, language: Language, split: Split) -> Message:
    """A user's turn with one wording of the split; in training often changed a little, never to a held-out one."""
    wording = rng.choice(side.wordings(split))
    if split == "test":
        return user(wrap(rng, wording, language, split))
    if side.otherwise and rng.random() < OTHERWISE:
        return user(wrap(rng, rng.choice(side.otherwise), language, split))
    varied = vary(rng, wording, language)
    typed = wrap(rng, wording if is_held_out(varied) else varied, language, split)
    return user(wording if is_held_out(typed) else typed)


def question_item(rng: random.Random, side: Side, language: Language, split: Split, kind: str) -> Example | Case:
    """One question with its answer, or as a test case."""
    question = ask(rng, side, language, split)
    if split == "test":
        return Case(Example((question,), kind=kind), list(side.keys), "contains", kind)
    return Example((question, assistant(side.any_answer(rng))), kind=kind)
