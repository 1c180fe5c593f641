"""Two texts in two columns, with the words that differ marked."""

import re
import sys
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from puna.cli.screen import columns, console, is_terminal, printable

if TYPE_CHECKING:
    from rich.text import Text

_PIPE_WIDTH = 120
_GAP = 3
_WORDS = re.compile(r"\S+\s*|\s+")
_STYLES = ("red", "green")
_MARKS = (("[-", "-]"), ("{+", "+}"))
"""What stands around words of the left and the right where there are no colours, as ``git diff --word-diff`` has it."""


def print_side_by_side(left: str, right: str) -> None:
    """Write two texts beside each other."""
    from rich.text import Text

    screen = console()
    width = (columns() if is_terminal(sys.stdout) else _PIPE_WIDTH) - _GAP
    screen.width = 2 * (width // 2) + _GAP
    pair = [
        list(text.wrap(screen, width // 2))
        for text in _marked(printable(left), printable(right), coloured=not screen.no_color and screen.is_terminal)
    ]
    for row in range(max(map(len, pair))):
        sides = [side[row] if row < len(side) else Text("") for side in pair]
        line = sides[0].copy()
        line.rstrip()
        line.append(" " * max(width // 2 - line.cell_len, 0))
        line.append(" │ ")
        sides[1].rstrip()
        line.append(sides[1])
        line.rstrip()
        screen.print(line, soft_wrap=True)


def _marked(left: str, right: str, *, coloured: bool) -> tuple["Text", "Text"]:
    """Return both texts with what the other has not marked."""
    from rich.text import Text

    words: tuple[list[str], list[str]] = (_WORDS.findall(left), _WORDS.findall(right))
    sides = Text(), Text()
    for kind, *bounds in SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        for side, (begin, end) in enumerate((bounds[:2], bounds[2:])):
            text = "".join(words[side][begin:end])
            if kind == "equal" or not text.strip():
                sides[side].append(text)
            elif coloured:
                sides[side].append(text, _STYLES[side])
            else:
                opening, closing = _MARKS[side]
                end_of_it = len(text.rstrip())
                sides[side].append(f"{opening}{text[:end_of_it]}{closing}{text[end_of_it:]}")
    return sides
