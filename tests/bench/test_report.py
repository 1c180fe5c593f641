"""From figures to the page: statistics, the file, goals, tables, plots."""

import json
from pathlib import Path

import pytest
from bench.goals import GOALS
from bench.record import Record, Series
from bench.stats import Spread, number, percentile, ratios
from tests.system import require_module

from bench import plots, report

PUBLISHED = [Path(__file__).parents[2] / "docs" / name for name in ("", "zen4")]
"""A folder for each processor that was measured."""


def series(measure: str, *values: float, subject: str = "puna", part: str = "speed", **more: object) -> Series:
    entry = {"unit": "tokens/s", "model": "1b"} | more
    return Series(part=part, measure=measure, subject=subject, values=values, **entry)  # type: ignore[arg-type]


def record(*entries: Series) -> Record:
    made = Record(machine={"processor": "A processor", "cores": 2, "instructions": ["AVX2"]})
    for part in {entry.part for entry in entries}:
        made.replace(part, f"python -m bench --only {part}", "1.0", [e for e in entries if e.part == part])
    return made


def row(page: str, start: str) -> list[str]:
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_spread_has_median_and_bounds() -> None:
    assert str(Spread.of([3.0, 1.0, 2.0])) == "2.00 (1.00–3.00)"
    assert str(Spread.of([2.0])) == "2.00"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234.5, "1,234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_ratios_are_those_of_each_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_ratios_of_other_rounds_are_those_of_the_medians() -> None:
    assert ratios([2.0, 4.0, 9.0], [2.0]) == [2.0]


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([1.0], 0.95)) == (50.0, 95.0, 1.0)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    written = record(series("generation", 1.0, 2.0), series("throughput", 3.0, part="streams", at=8))
    written.save(tmp_path / "new" / "benchmarks.json")
    assert Record.load(tmp_path / "new" / "benchmarks.json") == written


def test_measuring_a_part_again_leaves_the_others(tmp_path: Path) -> None:
    measured = record(series("generation", 1.0), series("cold", 3.0, part="first-token"))
    measured.replace("speed", "again", "1.1", [series("generation", 2.0)])
    assert [entry.values for entry in measured.series] == [(3.0,), (2.0,)]
    assert measured.commands == {"speed": "again", "first-token": "python -m bench --only first-token"}


def test_a_goal_is_the_ratio_within_each_round() -> None:
    page = report.page(
        record(series("generation", 9.0, 20.0), series("generation", 10.0, 20.0, subject="llama-server")), {}
    )
    assert row(page, "generation through")[1:] == ["≥ 0.98", "0.950 (0.900–1.00)", "no"]


def test_a_goal_with_an_upper_bound_holds_below_it() -> None:
    page = report.page(record(series("idle memory", 60.0, part="control", unit="MB", model="")), {})
    assert row(page, "resident memory of the idle")[1:] == ["≤ 65 MB", "60.0", "yes"]


def test_goals_that_were_not_measured_say_so() -> None:
    page = report.page(record(), {})
    assert page.count("not measured") == len(GOALS)


def test_a_table_has_a_column_for_each_subject_and_the_ratios_to_it() -> None:
    measured = record(
        series("prompt", 8.0),
        series("prompt", 10.0, subject="llama-bench"),
        series("generation", 4.0),
        series("generation", 5.0, subject="llama-bench"),
        series("generation", 3.0, subject="peer"),
    )
    page = report.page(measured, {"speed": "speed.png"})
    assert row(page, " | unit") == ["", "unit", "puna", "llama-bench", "peer", "`puna` ÷ llama-bench", "`puna` ÷ peer"]
    assert row(page, "generation, `1b`") == ["generation, `1b`", "tokens/s", "4.00", "5.00", "3.00", "0.800", "1.33"]
    assert row(page, "prompt, `1b`") == ["prompt, `1b`", "tokens/s", "8.00", "10.0", "", "0.800", ""]
    assert "![One stream](speed.png)" in page
    assert "`python -m bench --only speed` (Puna 1.0)" in page


def test_the_page_and_its_plots_are_written(tmp_path: Path) -> None:
    require_module("matplotlib")
    measured = record(
        series("prompt", 8.0, 9.0),
        series("prompt", 10.0, 11.0, subject="llama-bench"),
        *(series("throughput", 3.0 * count, 4.0 * count, part="streams", at=count) for count in (1, 2, 4)),
        series("cold", 9.0, part="first-token", unit="s"),
        series("warm", 0.1, part="first-token", unit="s"),
    )
    report.write(measured, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"benchmarks.md", *(f"benchmarks-{part}.png" for part in ("speed", "streams", "first-token"))}
    assert all(path.stat().st_size < 60_000 for path in tmp_path.iterdir())
    assert all(f"({name})" in (tmp_path / "benchmarks.md").read_text() for name in names if name.endswith("png"))


def test_the_streams_of_each_model_are_a_plot_of_their_own() -> None:
    require_module("matplotlib")
    from matplotlib.figure import Figure

    counts = (1, 2, 4)
    figure = Figure()
    plots._streams(
        figure,
        [series("throughput", 9.0 * at, part="streams", at=at, model=m) for m in ("cria", "1b") for at in counts],
    )
    assert [axes.get_title() for axes in figure.axes] == ["cria", "1b"]
    assert [list(line.get_xdata()) for axes in figure.axes for line in axes.lines] == [list(counts)] * 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["puna"]


@pytest.mark.parametrize("place", PUBLISHED, ids=lambda place: place.name)
def test_the_published_page_follows_from_the_published_figures(place: Path) -> None:
    published = Record.load(place / "benchmarks.json")
    names = {part: f"benchmarks-{part}.png" for part in ("speed", "streams", "first-token")}
    assert (place / "benchmarks.md").read_text(encoding="utf-8") == report.page(published, names)


@pytest.mark.parametrize("place", PUBLISHED, ids=lambda place: place.name)
def test_the_published_figures_name_no_path_or_host(place: Path) -> None:
    text = (place / "benchmarks.json").read_text(encoding="utf-8")
    words = " ".join(str(value) for value in (json.loads(text)["machine"], json.loads(text)["commands"]))
    assert "/" not in words.replace("python -m bench", "")
