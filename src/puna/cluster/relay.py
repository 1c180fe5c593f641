"""What is watched on one machine and answered on another: a node tells what its runner was asked."""

from collections.abc import Callable, Sequence

from puna.inference.events import Event
from puna.inference.options import Options
from puna.inference.watching import Asked, AskedElsewhere
from puna.telemetry.record import Record


class Relay:
    """A ``Watcher`` on a node; all but what a runner was asked the machine sees that the request came to."""

    wants_prompt = True

    def __init__(self, tell: Callable[[AskedElsewhere], object]) -> None:
        self._tell = tell

    def takes(self, options: Options) -> Options:
        """See ``Watcher``."""
        return options

    def asks(self, asked: Asked) -> None:
        """See ``Watcher``."""
        self._tell(AskedElsewhere.of(asked))

    def says(self, events: Sequence[Event]) -> None:
        """See ``Watcher``."""

    def ends(self, record: Record) -> None:
        """See ``Watcher``."""

    def over(self) -> None:
        """See ``Watcher``."""
