"""The plots of the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.parts.first_token import LOADED
from bench.record import Record, Series
from bench.stats import Spread

_COLORS = ("#2a6f97", "#bc6c25", "#6a994e", "#8d5a97", "#7f7f7f")
_SIZE = (7.6, 3.4)
_DPI = 90


def draw(record: Record, directory: Path) -> dict[str, str]:
    """Write a plot of each part that has one and was measured; return their file names by part."""
    names = {}
    for part, (draw_part, name) in _PLOTS.items():
        series = [entry for entry in record.series if entry.part == part]
        if series:
            _figure(draw_part, series, directory / name)
            names[part] = name
    return names


def _figure(draw_part: Callable[[Any, list[Series]], None], series: list[Series], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=_SIZE, layout="constrained")
    draw_part(figure, series)
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    pyplot.close(figure)


def _panels(figure: Any, count: int = 1) -> list[Any]:
    """Return so many axes, side by side."""
    (panels,) = figure.subplots(1, count, squeeze=False)
    for axes in panels:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return list(panels)


def _speed(figure: Any, series: list[Series]) -> None:
    """Bars of each subject's rates, as parts of the engine's own."""
    (axes,) = _panels(figure)
    measured = [entry for entry in series if entry.model != "cria"]
    groups = list(dict.fromkeys((entry.measure, entry.model) for entry in measured))
    subjects = list(dict.fromkeys(entry.subject for entry in measured))
    width = 0.8 / len(subjects)
    for number, subject in enumerate(subjects):
        color = _COLORS[number % len(_COLORS)]
        for place, group in enumerate(groups):
            rates = [e for e in measured if (e.measure, e.model) == group and e.subject == subject]
            fastest = max(Spread.of(e.values).median for e in measured if (e.measure, e.model) == group)
            for entry in rates:
                spread = Spread.of(entry.values)
                at = place + (number - (len(subjects) - 1) / 2) * width
                error = [[spread.median - spread.lowest], [spread.highest - spread.median]]
                scaled = [[side[0] / fastest] for side in error]
                axes.bar(at, spread.median / fastest, width, color=color, yerr=scaled, capsize=2)
                axes.text(at, 0.02, f"{spread.median:.0f}", ha="center", color="white", fontsize=7)
        axes.bar(0, 0, color=color, label=subject)
    axes.set_xticks(range(len(groups)), [f"{measure}\n{model}" for measure, model in groups])
    axes.set_ylabel("tokens/s ÷ the fastest")
    _legend(figure)


def _streams(figure: Any, series: list[Series]) -> None:
    """Lines of the total throughput over the number of streams, for each model by itself."""
    models = list(dict.fromkeys(entry.model for entry in series))
    for axes, model in zip(_panels(figure, len(models)), models, strict=True):
        _streams_of(axes, [entry for entry in series if entry.model == model])
        axes.set_title(model, fontsize=9)
        axes.set_xlabel("streams at once")
    figure.axes[0].set_ylabel("tokens/s in total")
    _legend(figure)


def _streams_of(axes: Any, series: list[Series]) -> None:
    for number, subject in enumerate(dict.fromkeys(entry.subject for entry in series)):
        theirs = [entry for entry in series if entry.subject == subject]
        spreads = [Spread.of(entry.values) for entry in theirs]
        counts = [entry.at for entry in theirs]
        color = _COLORS[number % len(_COLORS)]
        axes.plot(counts, [spread.median for spread in spreads], marker="o", color=color, label=subject)
        axes.fill_between(
            counts,
            [spread.lowest for spread in spreads],
            [spread.highest for spread in spreads],
            color=color,
            alpha=0.2,
            linewidth=0,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_ylim(bottom=0)


def _legend(figure: Any) -> None:
    """Name each subject once, however many panels it is in."""
    named = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(named.values(), named.keys(), fontsize=8, frameon=False, ncols=3, loc="outside upper center")


def _first_token(figure: Any, series: list[Series]) -> None:
    """Bars of the seconds to the first token, on a logarithmic scale."""
    (axes,) = _panels(figure)
    own = [entry for entry in series if entry.subject == "puna" and not entry.measure.endswith(LOADED)]
    for place, entry in enumerate(own):
        spread = Spread.of(entry.values)
        axes.barh(place, spread.median, color=_COLORS[0])
        axes.text(spread.median * 1.05, place, f"{spread.median:.2f} s", va="center", fontsize=8)
    axes.set_yticks(range(len(own)), [entry.measure for entry in own])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("seconds to the first token")


_PLOTS: dict[str, tuple[Callable[[Any, list[Series]], None], str]] = {
    "speed": (_speed, "benchmarks-speed.png"),
    "streams": (_streams, "benchmarks-streams.png"),
    "first-token": (_first_token, "benchmarks-first-token.png"),
}
