"""Scenes: functions with what people say around them, read from ``scenes/*.txt``; the values are filled in at random.

A scene begins with ``name(slot, …) What it does | 它做什么``. A slot is its name and others that it may have
(``place|town``), ``?`` when it may be left out, and after a colon its type: ``int2-9``, ``num``, ``bool``,
``enum(small 小,large 大)``, ``list(type)``, a list of ``scenes/words``, or a kind of value of everyday life. The
lines ``en:`` and ``zh:`` are requests, with brackets of alternatives; what a sentence says without naming it stands
after ``;;``: a truth, a whole number, or a choice in English. ``en+:`` and ``zh+:`` are conversations, in which a first
message says a part, somebody replies, and another message asks; ``en-:`` and ``zh-:`` are about the same subject, and
the function is not for them. ``>`` is a result: its fields, and the answer to it in both languages. Between lines ``---``
stand scenes that are offered together.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cria.data.composed import values, wordlists
from cria.data.composed.grammar import SLOT
from cria.data.skills.functions import WORDS_EN, WORDS_ZH, number
from cria.data.skills.words import Draw

FOLDER = Path(__file__).with_name("scenes")
KEYS = FOLDER / "keys"
HEAD = re.compile(r"(\w+)\((.*)\) (.+?) \| (.+)")
ENTRY = re.compile(r"([\w|]+)(\??):(\w+(?:-\d+)?)(?:\((.*)\))?")
RANGE = re.compile(r"int(\d+)-(\d+)")
BETWEEN = re.compile(r", (?![^(]*\))")
MEANWHILE = "||"
BESIDE = "---"
MANNERS = {language + mark for language in ("en", "zh") for mark in ("", "+", "-")}
TRUTHS = {"true": True, "false": False}
LIST_SHARE = 0.85
"""Of the words of a list: those that are from it; the others are any nouns, so that names tell no more than sentences."""
SPELLED_SHARE = 0.12
"""Of the small numbers: those that are written as words."""


@dataclass(frozen=True)
class Slot:
    """A value that a sentence may name: what its key may be called, whether it may be left out, its type."""

    names: tuple[str, ...]
    optional: bool
    type: str
    inner: str

    @property
    def name(self) -> str:
        """What the sentences call it."""
        return self.names[0]


@dataclass(frozen=True)
class Sentence:
    """A sentence with slots, and the values that it says without naming them."""

    text: str
    implied: Mapping[str, bool | int | str]

    @property
    def slots(self) -> set[str]:
        """All that it says."""
        return {*SLOT.findall(self.text), *self.implied}


@dataclass(frozen=True)
class Result:
    """What a function returns, and a sentence for it in each language."""

    fields: tuple[Slot, ...]
    en: Sentence
    zh: Sentence


@dataclass(frozen=True)
class Talk:
    """A message that says a part of what a call needs, a reply to it, and a message that asks with the rest."""

    before: Sentence
    reply: str
    request: Sentence

    @property
    def slots(self) -> set[str]:
        """All that both messages say."""
        return self.before.slots | self.request.slots


@dataclass(frozen=True)
class Said:
    """What people say in one language: requests, conversations that lead to one, and what the function is not for."""

    requests: tuple[Sentence, ...]
    talks: tuple[Talk, ...]
    beside: tuple[Sentence, ...]


@dataclass(frozen=True)
class Scene:
    """A function with what is said around it in each language, and with its result if it has one."""

    name: str
    slots: tuple[Slot, ...]
    does: tuple[str, str]
    en: Said
    zh: Said
    result: Result | None

    def said(self, zh: bool) -> Said:
        """What is said in a language."""
        return self.zh if zh else self.en


def _slot(text: str) -> Slot:
    read = ENTRY.fullmatch(text)
    if read is None:
        raise ValueError(f"no slot: {text!r}")
    return Slot(tuple(read[1].split("|")), bool(read[2]), read[3], read[4] or "")


def inner(slot: Slot) -> Slot:
    """The slot of an entry of a list."""
    return _slot(f"{slot.name}:{slot.inner}")


def slots(text: str) -> tuple[Slot, ...]:
    """The slots of a list of them."""
    return tuple(_slot(entry) for entry in BETWEEN.split(text) if entry)


def _sentence(text: str) -> Sentence:
    said, _, constants = text.partition(" ;; ")
    pairs = (entry.strip().split("=") for entry in constants.split(", ") if entry)
    return Sentence(said.strip(), {key: _constant(value) for key, value in pairs})


def _constant(text: str) -> bool | int | str:
    if text.lstrip("-").isdecimal():
        return int(text)
    return TRUTHS.get(text, text)


def _scene(block: str) -> Scene:
    head, *lines = block.splitlines()
    read = HEAD.fullmatch(head)
    if read is None:
        raise ValueError(f"no scene: {head!r}")
    said: defaultdict[str, list[str]] = defaultdict(list)
    result = None
    for line in lines:
        if line.startswith("> "):
            fields, en, zh = line[2:].split(f" {MEANWHILE} ")
            result = Result(slots(fields), _sentence(en), _sentence(zh))
        else:
            manner, text = line.split(": ", 1)
            said[manner].append(text)
    if not said.keys() <= MANNERS:
        raise ValueError(f"{read[1]} has lines of {said.keys() - MANNERS}")
    return Scene(read[1], slots(read[2]), (read[3], read[4]), _said(said, "en"), _said(said, "zh"), result)


def _said(lines: Mapping[str, list[str]], language: str) -> Said:
    requests, beside = (tuple(_sentence(text) for text in lines.get(language + mark, ())) for mark in ("", "-"))
    return Said(requests, tuple(_talk(text) for text in lines.get(f"{language}+", ())), beside)


def _talk(text: str) -> Talk:
    before, reply, request = text.split(f" {MEANWHILE} ")
    return Talk(_sentence(before), reply, _sentence(request))


@cache
def scenes() -> tuple[Scene, ...]:
    """All scenes, in the order of the files; raises ``ValueError`` for a line that cannot be read."""
    return tuple(made for group in _groups() for made in group)


@cache
def siblings() -> tuple[tuple[Scene, ...], ...]:
    """The groups of scenes about the same object, between which only the wording of a request decides."""
    return tuple(group for group in _groups() if len(group) > 1)


@cache
def _groups() -> tuple[tuple[Scene, ...], ...]:
    """All scenes: each alone, or in a file with lines ``---`` those that stand between two of them together."""
    groups: list[tuple[Scene, ...]] = []
    for text in wordlists.texts(FOLDER):
        parts = text.split(f"\n\n{BESIDE}\n\n")
        found = [tuple(_scene(block) for block in part.split("\n\n")) for part in parts]
        groups += found if len(parts) > 1 else [(made,) for made in found[0]]
    return tuple(groups)


@cache
def chinese_keys() -> Mapping[str, str]:
    """Chinese names of slots and of lists."""
    return dict(line.split(" ", 1) for line in wordlists.lines(KEYS))


def listed(d: Draw, name: str) -> str:
    """A word of a list, of the split; now and then any thing instead."""
    words = wordlists.words(name, zh=d.zh, split=d.split)
    return d.pick(words) if words and d.chance(LIST_SHARE) else values.thing(d)


KINDS: Mapping[str, Callable[[Draw], str]] = {
    "person": values.person,
    "place": values.place,
    "thing": values.thing,
    "title": values.title,
    "code": Draw.ident,
    "date": Draw.date,
    "day": Draw.day,
    "time": Draw.time,
    "path": Draw.file,
    "email": Draw.email,
}


def spelled(d: Draw, found: int) -> str:
    """A whole number in digits, or a small one as a word."""
    if 2 <= found <= 12 and d.chance(SPELLED_SHARE):
        return (WORDS_ZH if d.zh else WORDS_EN)[found - 2]
    return str(found)


@dataclass(frozen=True)
class Choices:
    """The choices of a slot in one example: as sentences say them, as the schema has them, and in English."""

    said: tuple[str, ...]
    written: tuple[str, ...]
    english: tuple[str, ...]


def choices(d: Draw, slot: Slot) -> Choices | None:
    """English choices, or in a Chinese conversation mostly Chinese ones; none if the slot has no choices.

    A sentence is in its own language.
    """
    if slot.type != "enum":
        return None
    pairs = [entry.split(" ") for entry in slot.inner.split(",")]
    if any(len(pair) == 1 for pair in pairs):
        whole = tuple(slot.inner.split(","))
        return Choices(whole, whole, whole)
    en, zh = (tuple(pair[side] for pair in pairs) for side in (0, 1))
    return Choices(zh, zh if d.chance(0.7) else en, en) if d.zh else Choices(en, en, en)


def implied(constant: bool | int | str, chosen: Choices | None) -> values.Said:
    """A value that a sentence says without naming it: a choice is written as the schema has it."""
    if chosen is not None and isinstance(constant, str):
        return "", chosen.written[chosen.english.index(constant)]
    return "", constant


def value(d: Draw, slot: Slot, chosen: Choices | None) -> values.Said:
    """A value of a slot, as a sentence says it and as JSON has it."""
    if chosen is not None:
        at = d.rng.randrange(len(chosen.said))
        return chosen.said[at], chosen.written[at]
    if slot.type == "list":
        found = [value(d, inner(slot), None) for _ in range(d.pick((2, 2, 3, 4)))]
        found = list({said: (said, entry) for said, entry in found}.values())
        return d.joined([said for said, _ in found]), [entry for _, entry in found]
    if limits := RANGE.fullmatch(slot.type):
        return _whole(d, int(limits[1]), int(limits[2]))
    return _plain(d, slot.type)


def _whole(d: Draw, low: int, high: int) -> values.Said:
    found = d.rng.randint(low, high)
    return spelled(d, found), found


def _plain(d: Draw, kind: str) -> values.Said:
    if kind == "num":
        text = d.amount()
        return text, number(text)
    if kind == "bool":
        raise ValueError("a truth is implied, never named")
    if kind == "text":
        text = values.quotation(d)
        return (f"“{text}”" if d.zh else d.pick((f'"{text}"', f"'{text}'"))), text
    if kind in ("person", "title") and d.chance(values.MARKED_SHARE):
        return values.marked(d, KINDS[kind])
    text = KINDS[kind](d) if kind in KINDS else listed(d, kind)
    return text, text
