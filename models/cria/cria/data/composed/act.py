"""What functions do: for each act the names and descriptions of a function, and how people ask for it.

``{n}`` is the thing that the function is about, ``{x}`` the one that is meant (a name, a place, a number, or the thing
itself). What people say shares few words with the description: that is to be learned.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """One language: what the function does, and the cores of a request in the moods of the grammar."""

    does: str
    moods: dict[str, str]


@dataclass(frozen=True)
class Act:
    """``names`` are patterns of function names; ``about`` says which kind of value ``{x}`` is."""

    names: tuple[str, ...]
    about: str
    en: Side
    zh: Side


def command(does: str, do: str) -> Side:
    """A side whose requests are commands, or statements that want something done."""
    return Side(does, {"do": do})


def question(does: str, ask: str, tell: str = "") -> Side:
    """A side whose requests are questions."""
    return Side(does, {"ask": ask, "tell": tell} if tell else {"ask": ask})
