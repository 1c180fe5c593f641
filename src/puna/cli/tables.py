"""How commands write what they list."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.segment import Segment, Segments
from rich.table import Table

from puna.cli.screen import console, is_terminal, printable

_WIDEST = 1000
_WHOLE = 20
"""Characters up to which the text of a column stays on one line."""
_UNITS = ("B", "KB", "MB", "GB", "TB")
AsJson = Annotated[bool, typer.Option("--json", help="write it as JSON")]
"""The flag of every command that writes a table."""


def print_json(value: Any) -> None:
    """Write a value as JSON for programs to read."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_line(value: Any) -> None:
    """Write a value as one line of JSON, at once, for programs that follow what happens."""
    typer.echo(json.dumps(value, ensure_ascii=False))
    sys.stdout.flush()


def human_size(size: int) -> str:
    """Return a number of bytes with a unit of a thousand, as Ollama's lists have it."""
    value = float(size)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"


def human_time(moment: datetime) -> str:
    """Return how far a moment is from now: "3 minutes ago", "4 minutes from now"."""
    seconds = (moment - datetime.now(UTC)).total_seconds()
    if seconds > 50 * 365 * 86400:
        return "Forever"
    units = ((86400 * 30, "month"), (86400 * 7, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    size, unit = next((entry for entry in units if round(abs(seconds) / entry[0])), units[-1])
    count = round(abs(seconds) / size)
    return f"{count} {unit}{'s' * (count != 1)} {'ago' if seconds < 0 else 'from now'}"


def parse_time(text: object) -> datetime:
    """Return the moment that a server names; Go writes nanoseconds, of which Python knows the first six digits."""
    return datetime.fromisoformat(str(text))


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Write a table: as wide as a terminal at most, with long texts on several lines; in a pipe as wide as it is."""
    narrow = is_terminal(sys.stdout)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold" if narrow else "")
    for number, title in enumerate(head):
        widest = max((cell_len(row[number]) for row in rows), default=0)
        table.add_column(title, no_wrap=not narrow or widest <= _WHOLE, overflow="fold" if narrow else "ignore")
    for row in rows:
        table.add_row(*map(printable, row))
    screen = console()
    if not narrow:
        screen.width = _WIDEST
    for line in screen.render_lines(table, screen.options, pad=False):
        screen.print(Segments([*line, Segment.line()]), soft_wrap=True)
