"""What a long piece of work reports while it runs, and how it is stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from puna.errors import PunaError


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one phase is; ``completed`` and ``total`` count bytes of tensor data that have been read."""

    phase: str
    completed: int
    total: int


ProgressCallback = Callable[[Progress], None]
CancelledCheck = Callable[[], bool]


class CreateCancelledError(PunaError):
    """The work was stopped on request; nothing of it is left on disk."""

    status = 499


class Meter:
    """Counts the bytes of one phase: reports at most once per percent, and stops when asked to."""

    def __init__(self, phase: str, total: int, progress: ProgressCallback, cancelled: CancelledCheck) -> None:
        self._phase = phase
        self._total = total
        self._progress = progress
        self._cancelled = cancelled
        self._completed = 0
        self._reported = -1

    def __enter__(self) -> "Meter":
        self.advance(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._completed < self._total:
            self.advance(self._total - self._completed)

    def advance(self, count: int) -> None:
        """Add ``count`` bytes. Raises :class:`CreateCancelledError` when the work has been cancelled."""
        if self._cancelled():
            raise CreateCancelledError(f"{self._phase} was cancelled")
        self._completed += count
        percent = self._completed * 100 // self._total if self._total else 100
        if percent != self._reported:
            self._reported = percent
            self._progress(Progress(self._phase, self._completed, self._total))
