"""The progress of work that a server reports line by line."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from puna.cli.screen import console, printable
from puna.cli.tables import human_size, print_line


def show_progress(events: Iterable[Mapping[str, Any]], *, as_json: bool = False) -> Mapping[str, Any]:
    """Show the lines of a stream on standard error, a bar for each blob on a terminal, and return the last line.

    With ``as_json`` they go to standard output as they come, for programs.
    """
    if as_json:
        return _write_lines(events)
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    last: Mapping[str, Any] = {}
    with Bars(*columns, TimeRemainingColumn(compact=True), console=screen, disable=not screen.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        said: set[str] = set()
        sources: dict[str, Mapping[str, int]] = {}
        for last in events:
            status, total = str(last.get("status") or ""), last.get("total") or 0
            if total and screen.is_terminal:
                completed = last.get("completed") or 0
                if status not in tasks:  # what was there before counts towards no speed
                    tasks[status] = bars.add_task(status, total=total, completed=completed)
                bars.update(tasks[status], completed=completed)
            elif status not in said:
                screen.print(printable(status), soft_wrap=True)
            said.add(status)
            if last.get("sources"):
                sources[status] = last["sources"]
        if sources:
            screen.print(printable(_places(sources.values())), soft_wrap=True)
    return last


def _places(sources: Iterable[Mapping[str, int]]) -> str:
    """Return how much came from where, most first."""
    sums: Counter[str] = Counter()
    for given in sources:
        sums.update(given)
    return "came from " + ", ".join(f"{host} ({human_size(size)})" for host, size in sums.most_common())


def _write_lines(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    last: Mapping[str, Any] = {}
    for last in events:
        print_line(last)
    return last
