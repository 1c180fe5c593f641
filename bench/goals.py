"""The figures to reach, and how each follows from what was measured."""

from dataclasses import dataclass

from bench.parts import agent, editing
from bench.parts.attention import DEPTHS, OFF, ON, PROMPT, TURN, label
from bench.parts.control import DIALECTS, MANY
from bench.parts.first_token import LOADED
from bench.parts.neighbour import BUSY, IDLE
from bench.parts.prompts import AT_ONCE, FIRST_AT_ONCE, IN_TURN, SHARED
from bench.record import Record, Series
from bench.stats import Spread, ratios
from bench.subjects import AS_PUNA, CRIA


@dataclass(frozen=True, slots=True)
class Figure:
    """Names one series: its measure, its subject, and where it makes a difference its model and number of streams."""

    measure: str
    subject: str = "puna"
    model: str | None = "1b"
    at: int = 0

    def of(self, record: Record) -> Series | None:
        """Return the series, or ``None`` if it was not measured."""
        return record.find(self.measure, self.subject, model=self.model, at=self.at)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure, or on the ratio of two: the least that it should be, or the most."""

    text: str
    figure: Figure
    divisor: Figure | None = None
    least: float | None = None
    most: float | None = None
    unit: str = ""

    def reached(self, record: Record) -> Spread | None:
        """Return the figure, or ``None`` if it was not measured."""
        series = self.figure.of(record)
        if series is None or self.divisor is None:
            return Spread.of(series.values) if series else None
        divisor = self.divisor.of(record)
        return Spread.of(ratios(series.values, divisor.values)) if divisor else None

    def holds(self, spread: Spread) -> bool:
        """Return whether the median keeps the bound."""
        return (self.least or 0.0) <= spread.median and (self.most is None or spread.median <= self.most)

    @property
    def wanted(self) -> str:
        """Return the bound as text."""
        bound = f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"
        return f"{bound} {self.unit}".rstrip()


_PROMPTED = "0.5b"

GOALS = (
    Goal(
        "generation through the API ÷ llama-server, 1 B, one stream",
        Figure("generation"),
        Figure("generation", "llama-server"),
        least=0.98,
    ),
    Goal(
        "prompt reading through the API ÷ llama-bench, 1 B",
        Figure("prompt"),
        Figure("prompt", "llama-bench"),
        least=0.95,
    ),
    Goal(
        "native ÷ portable, prompt reading, 1 B",
        Figure("prompt"),
        Figure("prompt", "puna portable"),
        least=1.8,
    ),
    *(
        Goal(
            f"{label(tokens, depth)} ÷ {other}, 0.5 B",
            Figure(label(tokens, depth), model=_PROMPTED),
            Figure(label(tokens, depth), other, _PROMPTED),
            least=0.97,
        )
        for depth in DEPTHS
        for tokens in (PROMPT, TURN, 0)
        for other in (ON, OFF)
    ),
    *(
        Goal(
            f"{what} beside one busy process for each core ÷ idle, 0.5 B",
            Figure(f"{what}, {BUSY}", model=_PROMPTED),
            Figure(f"{what}, {IDLE}", model=_PROMPTED),
            least=0.4,
        )
        for what in ("prompt", "generation")
    ),
    Goal(
        "total throughput of 8 streams ÷ the engine's own, 1 B, default settings",
        Figure("throughput", at=8),
        Figure("throughput", AS_PUNA, at=8),
        least=0.98,
    ),
    Goal("total throughput of 8 streams of cria", Figure("throughput", model=CRIA, at=8), least=2000, unit="tokens/s"),
    *(
        Goal(
            f"embeddings ÷ llama-server, {model}",
            Figure("embeddings", model=model),
            Figure("embeddings", "llama-server", model),
            least=1.0,
        )
        for model in (CRIA, _PROMPTED)
    ),
    *(
        Goal(
            f"last first token of {count} long prompts at once ÷ one after another, 0.5 B",
            Figure(AT_ONCE, model=_PROMPTED, at=count),
            Figure(IN_TURN, model=_PROMPTED, at=count),
            most=1.05,
        )
        for count in (2, 4, 8)
    ),
    Goal(
        "first of the first tokens of 8 long prompts at once ÷ alone, 0.5 B",
        Figure(FIRST_AT_ONCE, model=_PROMPTED, at=8),
        Figure(AT_ONCE, model=_PROMPTED, at=1),
        most=1.3,
    ),
    Goal(
        "last first token of 8 conversations that begin alike ÷ alone, 0.5 B",
        Figure(SHARED, model=_PROMPTED, at=8),
        Figure(SHARED, model=_PROMPTED, at=1),
        most=1.5,
    ),
    *(
        Goal(
            f"first token of 2,000 tokens, cold ÷ after {what}{loaded}",
            Figure(f"cold{loaded}"),
            Figure(f"after {what}{loaded}"),
            least=25,
        )
        for loaded in ("", LOADED)
        for what in ("an unload", "a restart")
    ),
    *(
        Goal(
            f"first token behind an agent's 20,000 tokens, the first conversation ÷ {what}, 0.5 B",
            Figure(agent.FIRST, model=_PROMPTED),
            Figure(what, model=_PROMPTED),
            least=50,
        )
        for what in (agent.NEXT, agent.RESTARTED)
    ),
    *(
        Goal(
            f"writing {what} ÷ without guesses, {name}",
            Figure(what, editing.DRAFTS, model),
            Figure(what, editing.PLAIN, model),
            least=least,
        )
        for what, least in ((editing.EDITED, 1.8), (editing.ALL_OVER, 0.98), (editing.OTHER, 0.98))
        for model, name in ((_PROMPTED, "0.5 B"), ("1b", "1 B"))
    ),
    *(
        Goal(
            f"processor time of the server per streamed token, {path}",
            Figure(f"processor time per token, {path}", model=None),
            most=60,
            unit="µs",
        )
        for path in DIALECTS
    ),
    Goal(MANY, Figure(MANY, model=None), least=4000, unit="requests/s"),
    Goal("resident memory of the idle server", Figure("idle memory", model=None), most=65, unit="MB"),
    Goal(
        "from `puna serve` to the first answered request",
        Figure("start to first answer", model=None),
        most=0.5,
        unit="s",
    ),
)
