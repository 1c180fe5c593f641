"""Small talk, and short conversations that mix it with questions; the answer's language follows the turn's."""

import random
from collections.abc import Iterator

from cria.data.knowledge import common, puna
from cria.data.knowledge.asking import ask, assistant, user, wrap
from cria.data.knowledge.frames import CHATTER
from cria.data.knowledge.held_out import is_held_out
from cria.data.knowledge.topics import LANGUAGES, Language, Topic, load
from cria.data.knowledge.unknown import unknown_question
from cria.examples import Case, Example, Message, Split

THANKS = "thanks"
GREETING = "hello"
GOODBYE = "bye"
MORE = "more"

REPEAT: dict[Language, dict[Split, tuple[str, ...]]] = {
    "en": {
        "train": (
            "say that again",
            "please repeat",
            "again please",
            "can you repeat that",
            "once more please",
            "repeat",
            "repeat that please",
            "again",
            "say it once more",
            "what did you say",
            "pardon",
            "I did not get that, repeat please",
            "the same answer again please",
            "could you repeat your answer",
            "come again",
        ),
        "test": ("could you say it again", "one more time please"),
    },
    "zh": {
        "train": (
            "再说一遍",
            "请重复",
            "重复一遍",
            "能再说一次吗",
            "请再说一遍",
            "重复",
            "再来一遍",
            "再说一次",
            "没听清，再说一遍",
            "你刚才说什么",
            "把刚才的话重复一遍",
            "再讲一次",
            "能重复吗",
        ),
        "test": ("麻烦再说一次", "可以重复一下吗"),
    },
}

IN_ENGLISH: dict[Split, tuple[str, ...]] = {
    "train": (
        "用英语说",
        "请用英文回答",
        "英文怎么说",
        "in English please",
        "say it in English",
        "and in English?",
        "用英语再说一遍",
        "翻译成英语",
        "换成英文",
        "英语版本",
        "请说英语",
        "translate that into English",
        "the same in English",
        "now in English",
        "what is that in English",
    ),
    "test": ("可以用英语再说一遍吗", "how would you say that in English"),
}
IN_CHINESE: dict[Split, tuple[str, ...]] = {
    "train": (
        "用中文说",
        "请用中文回答",
        "中文怎么说",
        "in Chinese please",
        "say it in Chinese",
        "and in Chinese?",
        "用中文再说一遍",
        "翻译成中文",
        "换成中文",
        "中文版本",
        "请说中文",
        "translate that into Chinese",
        "the same in Chinese",
        "now in Chinese",
        "what is that in Chinese",
    ),
    "test": ("可以用中文再说一遍吗", "how would you say that in Chinese"),
}


FIRST, FIRST_SHARE = 4, 0.25
"""How many wordings of small talk stand first because most people type them, and how often one of them is asked."""


OPENERS = (
    *("hello", "how-are-you", "how-are-you", "who-is-cria", "who-is-cria", "cria-can", "what-is-puna"),
    *("who-made-you", "feelings", "bored", "are-you-human"),
)
"""What people type first to a model that they do not know."""
OPENER_SHARE, OPENER_FIRST_SHARE = 0.4, 0.6


def small_talk() -> tuple[Topic, ...]:
    """Greetings, thanks and the like."""
    return load("smalltalk")


def talk(identifier: str) -> Topic:
    """One piece of small talk by its id."""
    return next(topic for topic in small_talk() if topic.id == identifier)


def opener(rng: random.Random) -> Topic:
    """One of ``OPENERS``."""
    identifier = rng.choice(OPENERS)
    return next(topic for topic in (*small_talk(), *puna.topics()) if topic.id == identifier)


def _turn(rng: random.Random, topic: Topic, language: Language, split: Split) -> list[Message]:
    side = topic.side(language)
    if topic in small_talk():
        return [plain_turn(rng, topic, language, split), assistant(side.any_answer(rng))]
    return [ask(rng, side, language, split), assistant(side.any_answer(rng))]


def _opening(rng: random.Random, language: Language) -> list[Message]:
    topic = opener(rng)
    question = plain_turn(rng, topic, language, "train", OPENER_FIRST_SHARE)
    return [question, assistant(topic.side(language).any_answer(rng))]


def plain_turn(
    rng: random.Random, topic: Topic, language: Language, split: Split, first_share: float = FIRST_SHARE
) -> Message:
    """Small talk as people type it: no framing, punctuation now and then."""
    wordings = topic.side(language).wordings(split)
    text = rng.choice(wordings[:FIRST] if rng.random() < first_share else wordings)
    if split == "train" and rng.random() < 0.25:
        chatty = rng.choice(CHATTER[language]).format(text)
        text = text if is_held_out(chatty) else chatty
    styled = text[0].upper() + text[1:] if rng.random() < 0.5 else text
    if rng.random() < 0.5 and styled[-1] not in "?？!！.。":
        marks = "?" if text.split()[0] in {"how", "what", "who", "are", "do", "can"} else rng.choice(("!", "."))
        if language == "zh":
            marks = "？" if text.endswith(("吗", "呢", "什么", "怎么样")) else rng.choice(("！", "。"))
        styled += marks
    return {"role": "user", "content": styled}


def _plan(rng: random.Random) -> list[Topic]:
    """The topics of a conversation: perhaps a greeting, one to three questions, perhaps thanks and goodbye."""
    plan = [talk(GREETING)] if rng.random() < 0.5 else []
    for _ in range(rng.randint(1, 3)):
        draw = rng.random()
        if draw < 0.5:
            plan.append(common.pick(rng))
        elif draw < 0.8:
            plan.append(rng.choice(puna.topics()))
        else:
            plan.append(rng.choice(small_talk()))
    if rng.random() < 0.5:
        plan.append(talk(THANKS))
    if rng.random() < 0.25:
        plan.append(talk(GOODBYE))
    return plan


def _follow_up(rng: random.Random, topic: Topic, said: str, language: Language, split: Split) -> list[Message]:
    """Perhaps one more turn on the topic that ``said`` has just answered: more, again, or in the other language."""
    draw = rng.random()
    if draw < 0.06:
        return _turn(rng, talk(MORE), language, split)
    if draw < 0.12:
        return [user(rng.choice(REPEAT[language][split])), assistant(said)]
    if draw < 0.24:
        if language == "en":
            return [user(rng.choice(IN_CHINESE[split])), assistant(topic.zh.answer)]
        return [user(rng.choice(IN_ENGLISH[split])), assistant(topic.en.answer)]
    return []


def conversation(rng: random.Random, split: Split) -> Example | Case:
    """A conversation of two to six turns; in test its last turn is a question to be answered."""
    language = rng.choice(LANGUAGES)
    plan = _plan(rng)
    messages = _opening(rng, language) if split == "train" and rng.random() < OPENER_SHARE else []
    for topic in plan:
        spoken = language if rng.random() < 0.9 else rng.choice(LANGUAGES)
        messages += _turn(rng, topic, spoken, split)
        if topic not in small_talk():
            messages += _follow_up(rng, topic, messages[-1]["content"], spoken, split)
        if rng.random() < 0.08:
            wording, answer = unknown_question(rng, spoken, split)
            messages += [user(wrap(rng, wording, spoken, split)), assistant(answer)]
    kind = f"chat/turns/{language}"
    if split == "train":
        return Example(tuple(messages), kind=kind)
    last = common.pick(rng) if rng.random() < 0.6 else rng.choice(puna.topics())
    side = last.side(language)
    return Case(Example((*messages, ask(rng, side, language, split)), kind=kind), list(side.keys), "contains", kind)


def single(rng: random.Random, split: Split) -> Example | Case:
    """One piece of small talk."""
    language = rng.choice(LANGUAGES)
    kind = f"chat/{language}"
    if split == "train" and rng.random() < OPENER_SHARE:
        return Example(tuple(_opening(rng, language)), kind=kind)
    topic = rng.choice(small_talk())
    question = plain_turn(rng, topic, language, split)
    side = topic.side(language)
    if split == "test":
        return Case(Example((question,), kind=kind), list(side.keys), "contains", kind)
    return Example((question, assistant(side.any_answer(rng))), kind=kind)


def question_answers() -> list[tuple[str, str, str]]:
    """(language, first wording, answer) of every piece of small talk."""
    sides = [(language, topic.side(language)) for topic in small_talk() for language in LANGUAGES]
    return [(language, side.questions[0], side.answer) for language, side in sides]


def generate(rng: random.Random, split: Split) -> Iterator[Example | Case]:
    """Single small talk (two fifths) and conversations."""
    while True:
        yield single(rng, split) if rng.random() < 0.4 else conversation(rng, split)
