"""Words in the ten thousands out of packages: nouns, verbs, adjectives, people and places, in English and Chinese.

English words come from ``wonderwords``, English names from ``names`` (the census of the United States), Chinese words
and names with their parts of speech from ``jieba``; all three under the MIT licence. Only their lists are read, nothing
of them is run.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from cria.data.skills.words import in_split
from cria.examples import Split

FREQUENT = 40
"""How often jieba must have counted a Chinese word."""
CLASSES = {"noun": "n", "verb": "v", "adjective": "a", "person": "nr", "place": "ns", "idiom": "i"}
"""jieba's letters for parts of speech."""
LENGTHS = {"idiom": (4, 4), "verb": (2, 3), "adjective": (2, 3)}
"""The shortest and longest Chinese words of a kind, where that is not two to four characters."""
ENGLISH = {"noun": "assets/nounlist.txt", "verb": "assets/verblist.txt", "adjective": "assets/adjectivelist.txt"}


def folder(package: str) -> Path:
    """Where an installed package lies; raises ``RuntimeError`` when it is not."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{package} is not installed: install the extra cria-train")
    return Path(spec.origin).parent


def _lines(package: str, name: str) -> list[str]:
    return (folder(package) / name).read_text(encoding="utf-8").splitlines()


@cache
def english(kind: str) -> tuple[str, ...]:
    """The English words of a kind of ``ENGLISH``, in order, without those that are rude."""
    rude = set(_lines("wonderwords", "assets/profanitylist.txt"))
    words = sorted({word for word in _lines("wonderwords", ENGLISH[kind]) if word.isascii() and word.isalpha()})
    return tuple(word for word in words if 2 < len(word) < 13 and word.islower() and word not in rude)


@cache
def names(kind: Literal["first", "last"], split: Split) -> tuple[str, ...]:
    """English first names, or the 20,000 commonest family names, as written and of a split."""
    lists = ["dist.female.first", "dist.male.first"] if kind == "first" else ["dist.all.last"]
    found = (line.split()[0].capitalize() for entry in lists for line in _lines("names", entry)[:20_000])
    return tuple(name for name in dict.fromkeys(found) if in_split(name, split))


@cache
def chinese() -> Mapping[str, tuple[str, ...]]:
    """The Chinese words of every kind of ``CLASSES``, two to four characters long, in order."""
    kinds = {tag: kind for kind, tag in CLASSES.items()}
    found: dict[str, set[str]] = {kind: set() for kind in CLASSES}
    for line in _lines("jieba", "dict.txt"):
        word, count, tag = line.split(" ")
        kind = kinds.get(tag, "")
        shortest, longest = LENGTHS.get(kind, (2, 4))
        common = kind == "idiom" or int(count) >= FREQUENT
        if (
            kind
            and common
            and shortest <= len(word) <= longest
            and all("\u4e00" <= letter <= "\u9fff" for letter in word)
        ):
            found[kind].add(word)
    return {kind: tuple(sorted(words)) for kind, words in found.items()}


@cache
def words(kind: str, *, zh: bool, split: Split) -> tuple[str, ...]:
    """The words of a kind that belong to a split; English ones have no people, places and idioms."""
    return tuple(word for word in (chinese()[kind] if zh else english(kind)) if in_split(word, split))
