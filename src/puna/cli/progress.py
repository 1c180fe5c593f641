"""Progress on the terminal: bars for bytes, a line for every other step."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

import ollama
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn


class ProgressView:
    """Shows long work on standard error; use it as a context manager."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True, highlight=False, markup=False),
        )
        self._bars: dict[str, TaskID] = {}
        self._last = ""

    def bar(self, key: str, text: str, total: int, completed: int = 0) -> None:
        """Set a bar, which ``key`` identifies, to ``completed`` of ``total`` bytes."""
        task = self._bars.get(key)
        if task is None:
            self._bars[key] = self._progress.add_task(text, total=total, completed=completed)
        else:
            self._progress.update(task, total=total, completed=completed, description=text)

    def line(self, text: str) -> None:
        """Show a step that has no measure."""
        if text != self._last:
            self._progress.console.print(text)
            self._last = text

    def follow(self, responses: Iterable[ollama.ProgressResponse]) -> None:
        """Show a server's progress until its end."""
        for response in responses:
            if response.total:
                key = response.digest or response.status or ""
                self.bar(key, response.status or "", response.total, response.completed or 0)
            elif response.status:
                self.line(response.status)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
