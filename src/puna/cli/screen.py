"""What may be written where: a terminal takes colours and draws over itself, and nothing else ever gets either."""

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DUMB = {"dumb", "unknown"}


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream, if there is one at all, is a terminal that can move its cursor."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM", "").lower() not in _DUMB
    except ValueError:
        return False  # it is closed


def has_colours(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal whose user wants colours (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def printable(text: str) -> str:
    """Return text of somebody else's without what steers a terminal; line ends and tabs stay."""
    return _CONTROLS.sub("", text)


def print_text(text: str) -> None:
    """Write text of somebody else's: as it is to a file or pipe, and to a terminal without what steers it."""
    typer.echo(printable(text) if is_terminal(sys.stdout) else text)


def columns() -> int:
    """Return the width of the terminal."""
    return shutil.get_terminal_size().columns


def console(*, stderr: bool = False) -> "Console":
    """Return what draws on a terminal, and writes plain text anywhere else, whatever the environment says."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = is_terminal(stream)
    return Console(
        file=stream,
        force_terminal=terminal,
        no_color=not has_colours(stream),
        color_system="auto" if terminal else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
