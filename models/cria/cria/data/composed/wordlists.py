"""Words that belong together: trees, rivers, composers …, read from ``scenes/words/*.txt``, in English and Chinese."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from cria.data.skills.words import in_split
from cria.examples import Split

FOLDER = Path(__file__).with_name("scenes") / "words"


def texts(folder: Path) -> Iterator[str]:
    """The texts in a folder, in the order of their names, without the blanks around them."""
    for path in sorted(folder.glob("*.txt")):
        yield path.read_text(encoding="utf-8").strip()


def lines(folder: Path) -> list[str]:
    """The lines of all texts in a folder."""
    return [line for text in texts(folder) for line in text.splitlines() if line]


@cache
def lists() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The words of every list, English and Chinese, by the name of the list."""
    found = {}
    for line in lines(FOLDER):
        name, both = line.split(": ", 1)
        en, zh = (tuple(side.split(", ")) for side in both.split(" | "))
        found[name] = (en, zh)
    return found


@cache
def words(name: str, *, zh: bool, split: Split) -> tuple[str, ...]:
    """The words of a list that belong to a split."""
    return tuple(word for word in lists()[name][zh] if in_split(word, split))
