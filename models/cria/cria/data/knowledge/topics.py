"""Topics: one question in many wordings with one short answer, in English and in Chinese.

They are read from ``content/*.txt``. A topic begins with ``# id``; its lines are ``key: value``, where the
key's letters say which language and what: ``eq``/``zq`` wordings (train ones, ``||``, held-out ones),
``ea``/``za`` the answer (``\\n`` is a line break), ``ek``/``zk`` words a right answer contains, ``et``/``zt``
a thought before the answer, ``np``/``nz`` a noun phrase from which common wordings follow. ``otherwise.txt`` and its like have
wordings for training in which people go round the usual words: ``# field/id``, then ``en:`` and ``zh:``; ``answers.txt``
other answers to what has no one answer, parted by ``||``.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

CONTENT = Path(__file__).parent / "content"
OTHERWISE = tuple(Path(__file__).with_name(f"{name}.txt") for name in ("otherwise", "indirect", "loose", "asides"))
ANSWERS = Path(__file__).parent / "answers.txt"

NOUN_WORDINGS = {
    "en": (
        "what is {}",
        "what's {}",
        "what {} is",
        "tell me about {}",
        "tell me what {} is",
        "explain {}",
        "explain what {} is",
        "what do you know about {}",
        "can you explain {} to me",
        "I want to know what {} is",
        "{} in a nutshell",
        "definition of {}",
        "what exactly is {}",
        "give me an overview of {}",
        "I don't understand {}",
        "say something about {}",
        "can you define {}",
        "teach me about {}",
        "what is this thing called {}",
        "I have heard of {} but don't know what it is",
    ),
    "zh": (
        "什么是{}",
        "{}是什么",
        "{}是什么意思",
        "介绍一下{}",
        "解释一下{}",
        "讲讲{}",
        "说说{}",
        "请解释{}",
        "告诉我什么是{}",
        "我想知道{}是什么",
        "{}的定义",
        "{}的概念",
        "我不懂{}",
        "科普一下{}",
        "{}是个什么东西",
        "{}到底是什么",
        "谈谈{}",
        "听说过{}，但不知道是什么",
        "给我讲一下{}",
        "怎么理解{}",
    ),
}


@dataclass(frozen=True)
class Side:
    """A topic in one language: wordings for training, held-out wordings, the answer and its key words.

    ``otherwise`` are those of the wordings for training that go round the usual words, ``answers`` other answers.
    """

    questions: tuple[str, ...]
    held_out: tuple[str, ...]
    answer: str
    keys: tuple[str, ...]
    thought: str
    otherwise: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    def any_answer(self, rng: random.Random) -> str:
        """The answer, or one of the others where there are any."""
        return rng.choice((self.answer, *self.answers)) if self.answers else self.answer

    def wordings(self, split: Literal["train", "test"]) -> tuple[str, ...]:
        """The wordings of one split."""
        return self.questions if split == "train" else self.held_out


@dataclass(frozen=True)
class Topic:
    """One thing that is known, with the field (content file) it belongs to."""

    id: str
    field: str
    en: Side
    zh: Side

    def side(self, language: Language) -> Side:
        """The topic in one language."""
        return self.en if language == "en" else self.zh


def default_thought(language: Language, question: str) -> str:
    """The thought for a topic that has none of its own, naming its first wording."""
    if language == "en":
        return f"The question is: {question}. I know a short answer."
    return f"问题是：{question}。我知道简短的答案。"


def _split_list(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def make_side(language: Language, questions: str, answer: str, keys: str, *, noun: str = "", thought: str = "") -> Side:
    """A side from its written form (see the module's docstring)."""
    train_text, _, held_text = questions.partition("||")
    train, held = _split_list(train_text, "|"), _split_list(held_text, "|")
    derived = [wording.format(noun) for wording in NOUN_WORDINGS[language]] if noun else []
    merged = tuple(dict.fromkeys([*train, *(wording for wording in derived if wording not in held)]))
    return Side(
        questions=merged,
        held_out=held,
        answer=answer.replace("\\n", "\n"),
        keys=_split_list(keys, ","),
        thought=thought or default_thought(language, train[0]),
    )


def _make_topic(identifier: str, field: str, fields: dict[str, str]) -> Topic:
    def side(language: Language, letter: str, noun_key: str) -> Side:
        return make_side(
            language,
            fields[f"{letter}q"],
            fields[f"{letter}a"],
            fields[f"{letter}k"],
            noun=fields.get(noun_key, ""),
            thought=fields.get(f"{letter}t", ""),
        )

    return Topic(identifier, field, side("en", "e", "np"), side("zh", "z", "nz"))


def parse(text: str, field: str) -> list[Topic]:
    """The topics of one content file. Raises KeyError where a topic lacks a line, ValueError for a bad line."""
    topics: list[Topic] = []
    for block in text.split("\n# "):
        lines = block.removeprefix("# ").strip().splitlines()
        if not lines:
            continue
        fields: dict[str, str] = {}
        for line in lines[1:]:
            key, colon, value = line.partition(": ")
            if not colon or key in fields:
                raise ValueError(f"{field}: bad line in {lines[0]}: {line}")
            fields[key] = value
        topics.append(_make_topic(lines[0].strip(), field, fields))
    return topics


@cache
def _more(path: Path, separator: str) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """What a file of blocks ``# field/id`` has for each topic, by language."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        name, *lines = block.splitlines()
        sides = found.setdefault(name.removeprefix("# "), {})
        for line in lines:
            language, _, entries = line.partition(": ")
            sides[language] = _split_list(entries, separator)
    return found


def _widened(side: Side, language: Language, name: str) -> Side:
    found = (_more(path, "|").get(name, {}).get(language, ()) for path in OTHERWISE)
    wordings = tuple(wording.rstrip("?？ ") for wording in chain.from_iterable(found))
    answers = _more(ANSWERS, "||").get(name, {}).get(language, ())
    return replace(
        side,
        questions=tuple(dict.fromkeys((*side.questions, *wordings))),
        otherwise=wordings,
        answers=tuple(answer.replace("\\n", "\n") for answer in answers),
    )


@cache
def load(field: str) -> tuple[Topic, ...]:
    """The topics of ``content/<field>.txt``, with the wordings of ``OTHERWISE`` and what ``answers.txt`` has."""
    return tuple(
        replace(
            topic,
            en=_widened(topic.en, "en", f"{field}/{topic.id}"),
            zh=_widened(topic.zh, "zh", f"{field}/{topic.id}"),
        )
        for topic in parse((CONTENT / f"{field}.txt").read_text(encoding="utf-8"), field)
    )
