"""A record of each request: made when it comes in, filled while it runs, published once when it is over."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Subscriber = Callable[["Record"], None]
"""Is told of each request that is over. It must be quick, and must not raise."""

DONE, FAILED, GONE = "done", "failed", "gone"
"""How a request may end: answered, with an error, or left by its client (or cancelled)."""


@dataclass(slots=True)
class Record:
    """One request, without a word of what was said. Times are in nanoseconds, counts in tokens.

    ``ready`` is the time until it had a slot of a loaded model, of which ``load`` went into loading it, ``first`` that
    until the first piece of its answer, ``duration`` that until its end. ``cached`` of the ``prompt`` were known to the
    engine, ``cut`` were left out of it because the context could not hold them. ``accepted`` of ``drafted`` tokens that
    were guessed ahead were right. ``steps`` are the tokens after the first of each choice, ``writing`` is the time in
    which the engine made them, by its own clock: what it sends may come all at once. ``key`` is the name of the key
    that was presented, ``batch`` tells the request's class.

    Of a request that was left, or failed on the way, ``generated`` is about what was sent, ``prompt`` what was known,
    and ``steps`` is 0.
    """

    id: str
    model: str
    dialect: str
    subscribers: Sequence[Subscriber] = ()
    started: int = field(default_factory=time.perf_counter_ns)
    ready: int = 0
    load: int = 0
    first: int = 0
    duration: int = 0
    prompt: int = 0
    cached: int = 0
    cut: int = 0
    generated: int = 0
    drafted: int = 0
    accepted: int = 0
    steps: int = 0
    writing: int = 0
    key: str = ""
    batch: bool = False
    outcome: str = ""
    error: str = ""

    @property
    def told(self) -> dict[str, str | int]:
        """Return what the log and the page tell of it alike: whose it was, how it ended, and its tokens."""
        return {
            "model": self.model,
            "dialect": self.dialect,
            "outcome": self.outcome,
            "error": self.error,
            "prompt": self.prompt,
            "cached": self.cached,
            "cut": self.cut,
            "generated": self.generated,
        }

    def elapsed(self) -> int:
        """Return the nanoseconds since the request came in."""
        return time.perf_counter_ns() - self.started

    @property
    def per_token(self) -> float:
        """Return the nanoseconds for a token after the first, in the mean; 0 where that is not known."""
        return self.writing / self.steps if self.steps else 0.0

    def count(
        self, prompt: int, cached: int, cut: int, generated: int, drafted: int, accepted: int, writing: int
    ) -> None:
        """Take the counts of an answer; of several choices the prompt is one, and all that they generate counts."""
        self.prompt, self.cached, self.cut = prompt, cached, cut
        self.generated += generated
        self.drafted += drafted
        self.accepted += accepted
        if generated > 1:
            self.steps += generated - 1
            self.writing += writing

    def take_part(self, part: "Record") -> None:
        """Take the time of loading, and the prompt, from one of several choices: a subscriber of its record."""
        self.load = max(self.load, part.load)
        self.prompt = self.prompt or part.prompt

    def end(self, outcome: str, error: str = "") -> None:
        """Publish the request as over, unless it is already."""
        if self.outcome:
            return
        self.outcome, self.error, self.duration = outcome, error, self.elapsed()
        for subscriber in self.subscribers:
            subscriber(self)
