"""Scenes: functions with what people say around them, read from ``scenes/*.txt``; the values are filled in at random.

A scene begins with ``name(slot, …) What it does | 它做什么``. A slot is its name and others that it may have
(``place|town``), ``?`` when it may be left out, and after a colon its type: ``int2-9``, ``num``, ``bool``,
``enum(small 小,large 大)``, ``list(type)``, a list of ``scenes/words.txt``, or a kind of value of everyday life. The
lines ``en:`` and ``zh:`` are requests, with brackets of alternatives; what a sentence says without naming it stands
after ``;;``. ``>`` is a result: its fields, and the answer to it in both languages.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cria.data.composed import values
from cria.data.composed.grammar import SLOT
from cria.data.skills.functions import WORDS_EN, WORDS_ZH, number
from cria.data.skills.words import Draw, in_split

FOLDER = Path(__file__).with_name("scenes")
WORDS, KEYS = "words", "keys"
"""The files in the folder that hold no scenes."""
HEAD = re.compile(r"(\w+)\((.*)\) (.+?) \| (.+)")
ENTRY = re.compile(r"([\w|]+)(\??):(\w+(?:-\d+)?)(?:\((.*)\))?")
RANGE = re.compile(r"int(\d+)-(\d+)")
BETWEEN = re.compile(r", (?![^(]*\))")
MEANWHILE = "||"
LIST_SHARE = 0.7
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
    implied: Mapping[str, Any]

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
class Scene:
    """A function with its requests in each language, and with its result if it has one."""

    name: str
    slots: tuple[Slot, ...]
    does: tuple[str, str]
    en: tuple[Sentence, ...]
    zh: tuple[Sentence, ...]
    result: Result | None


def _slot(text: str) -> Slot:
    read = ENTRY.fullmatch(text)
    if read is None:
        raise ValueError(f"no slot: {text!r}")
    return Slot(tuple(read[1].split("|")), bool(read[2]), read[3], read[4] or "")


def inner(slot: Slot) -> Slot:
    """The slot of an entry of a list."""
    return _slot(f"{slot.name}:{slot.inner}")


def _slots(text: str) -> tuple[Slot, ...]:
    return tuple(_slot(entry) for entry in BETWEEN.split(text) if entry)


def _sentence(text: str) -> Sentence:
    said, _, constants = text.partition(" ;; ")
    pairs = (entry.split("=") for entry in constants.split(", ") if entry)
    return Sentence(said.strip(), {key: value == "true" for key, value in pairs})


def _scene(block: str) -> Scene:
    head, *lines = block.splitlines()
    read = HEAD.fullmatch(head)
    if read is None:
        raise ValueError(f"no scene: {head!r}")
    said: dict[str, list[Sentence]] = {"en": [], "zh": []}
    result = None
    for line in lines:
        if line.startswith("> "):
            fields, en, zh = line[2:].split(f" {MEANWHILE} ")
            result = Result(_slots(fields), _sentence(en), _sentence(zh))
        else:
            language, text = line.split(": ", 1)
            said[language].append(_sentence(text))
    return Scene(read[1], _slots(read[2]), (read[3], read[4]), tuple(said["en"]), tuple(said["zh"]), result)


@cache
def scenes() -> tuple[Scene, ...]:
    """All scenes, in the order of the files; raises ``ValueError`` for a line that cannot be read."""
    files = [path for path in sorted(FOLDER.glob("*.txt")) if path.stem not in (WORDS, KEYS)]
    return tuple(_scene(block) for path in files for block in path.read_text(encoding="utf-8").strip().split("\n\n"))


@cache
def lists() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The words of every list, English and Chinese."""
    found = {}
    for line in (FOLDER / f"{WORDS}.txt").read_text(encoding="utf-8").splitlines():
        name, both = line.split(": ", 1)
        en, zh = (tuple(side.split(", ")) for side in both.split(" | "))
        found[name] = (en, zh)
    return found


@cache
def chinese_keys() -> Mapping[str, str]:
    """Chinese names of slots."""
    lines = (FOLDER / f"{KEYS}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def listed(d: Draw, name: str) -> str:
    """A word of a list, of the split; now and then any thing instead."""
    words = [word for word in lists()[name][d.zh] if in_split(word, d.split)]
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
    """The choices of a slot in one example: as sentences say them, and as the schema has them."""

    said: tuple[str, ...]
    written: tuple[str, ...]


def choices(d: Draw, slot: Slot) -> Choices:
    """English choices, or in a Chinese conversation mostly Chinese ones; a sentence is in its own language."""
    pairs = [entry.split(" ") for entry in slot.inner.split(",")]
    if any(len(pair) == 1 for pair in pairs):
        whole = tuple(slot.inner.split(","))
        return Choices(whole, whole)
    en, zh = (tuple(pair[side] for pair in pairs) for side in (0, 1))
    return Choices(zh, zh if d.chance(0.7) else en) if d.zh else Choices(en, en)


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
        text = " ".join(values.thing(d) for _ in range(d.pick((1, 2, 3)))) if not d.zh else d.phrase()
        return (f"“{text}”" if d.zh else d.pick((f'"{text}"', f"'{text}'"))), text
    text = KINDS[kind](d) if kind in KINDS else listed(d, kind)
    return text, text
