"""Ways in which people type a question: with or without politeness, capitals and punctuation."""

import random

from cria.data.knowledge.topics import Language, Side
from cria.data.knowledge.varying import vary
from cria.examples import Case, Example, Message, Split

ASKING_STARTS = (
    "what what's why how who when where which is are do does did can could may must at in with for by from has have "
    "will should under after on into"
)
ASKING_MARKS = (
    "什么 为什么 怎么 怎样 吗 谁 哪 多少 几 如何 为何 为啥 多久 多大 多远 多快 多长 多高 多小 呢 是不是 能不能 有没有"
)

FRAMES: dict[Language, dict[Split, tuple[str, ...]]] = {
    "en": {
        "train": (
            "Can you tell me: {}",
            "Please tell me: {}",
            "I have a question: {}",
            "Hi! {}",
            "Hello, {}",
            "Hey, {}",
            "Question: {}",
            "Please answer: {}",
            "My question is: {}",
            "{} Please be brief.",
            "{} Answer in two sentences.",
            "{} Thanks!",
            "Excuse me, {}",
        ),
        "test": ("Quick question: {}", "I was wondering: {}", "Good morning, {}", "{} Thank you in advance."),
    },
    "zh": {
        "train": (
            "请问{}",
            "请问，{}",
            "你好，{}",
            "你好！{}",
            "我想问{}",
            "我想知道{}",
            "请回答：{}",
            "问题：{}",
            "问一下，{}",
            "{}请简单回答。",
            "{}谢谢！",
            "我有个问题：{}",
        ),
        "test": ("麻烦问一下，{}", "我很好奇，{}", "早上好，{}", "{}先谢谢了。"),
    },
}


def is_asking(question: str, language: Language) -> bool:
    """Whether the wording is a question, so that a question mark fits."""
    if language == "en":
        return question.split()[0].lower().strip(",") in ASKING_STARTS.split()
    return any(mark in question for mark in ASKING_MARKS.split())


def _end_mark(rng: random.Random, question: str, language: Language) -> str:
    asking = is_asking(question, language)
    if language == "en":
        return "?" if asking else "."
    return rng.choice("？？?") if asking else "。"


def wrap(rng: random.Random, question: str, language: Language, split: Split) -> str:
    """One way of typing the question; test has frames of its own besides the plain forms."""
    mark = _end_mark(rng, question, language)
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
    frame = rng.choice(FRAMES[language][split])
    inner = first_upper if language == "en" and not frame.startswith(("Hello", "Hey", "Excuse", "Good")) else question
    return frame.format(inner + mark)


def user(content: str) -> Message:
    """A user's turn."""
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    """An answer."""
    return {"role": "assistant", "content": content}


def ask(rng: random.Random, side: Side, language: Language, split: Split) -> Message:
    """A user's turn with one wording of the split; in training often changed a little, never to a held-out one."""
    wording = rng.choice(side.wordings(split))
    if split == "train":
        varied = vary(rng, wording, language)
        wording = wording if varied in side.held_out else varied
    return user(wrap(rng, wording, language, split))


def question_item(rng: random.Random, side: Side, language: Language, split: Split, kind: str) -> Example | Case:
    """One question with its answer, or as a test case."""
    question = ask(rng, side, language, split)
    if split == "test":
        return Case(Example((question,), kind=kind), list(side.keys), "contains", kind)
    return Example((question, assistant(side.answer)), kind=kind)
