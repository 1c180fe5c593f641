"""The command line of the suite."""

import argparse
import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

from bench import machine, report
from bench.models import SHAPES, make
from bench.parts import (
    agent,
    attention,
    control,
    editing,
    embeddings,
    first_token,
    loading,
    neighbour,
    prompts,
    queueing,
    speed,
    streams,
)
from bench.record import Record
from bench.subjects import CRIA, Bench, Rounds
from puna import __version__
from puna.engine.engines import Engines
from puna.models.library import Library
from puna.settings import Settings

_PARTS = {
    part.PART: part.measure
    for part in (
        control,
        speed,
        attention,
        neighbour,
        streams,
        prompts,
        first_token,
        agent,
        editing,
        loading,
        embeddings,
        queueing,
    )
}
_MODELS = (CRIA, *SHAPES)
_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Measure what is asked for, and write the file and the page."""
    asked = _arguments().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))  # so that servers are ended too
    record = Record.load(asked.out / "benchmarks.json")
    if not asked.page_only:
        bench = Bench(
            models={name: path for name, path in _models(asked.cache).items() if name in (asked.model or _MODELS)},
            home=asked.cache / "home",
            native=asked.native.absolute() if asked.native else _chosen_engine(),
            plain=asked.plain.absolute() if asked.plain else None,
            peers=dict(asked.peer),
            quick=asked.quick,
        )
        record.machine = machine.describe(bench.server)
        for part in asked.only or _PARTS:
            print(f"{part} …", file=sys.stderr, flush=True)
            load = os.getloadavg()[0]
            rounds = Rounds(part)
            try:
                asyncio.run(_PARTS[part](bench, rounds))
            finally:  # what was measured before somebody broke it off is not lost
                record.replace(part, _command(asked, part), __version__, rounds.series(), load)
                record.save(asked.out / "benchmarks.json")
    report.write(record, asked.out)
    print((asked.out / "benchmarks.md").read_text(encoding="utf-8"))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Puna beside the engine that it stands on, and beside other servers.",
    )
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    parser.add_argument(
        "--only",
        action="append",
        choices=_PARTS,
        metavar="PART",
        help=f"measure only this part, and keep the other figures of the file; may be repeated: {', '.join(_PARTS)}",
    )
    parser.add_argument(
        "--model",
        action="append",
        choices=_MODELS,
        metavar="MODEL",
        help=f"measure with this model only; may be repeated: {', '.join(_MODELS)}",
    )
    parser.add_argument(
        "--native",
        type=Path,
        metavar="DIR",
        help="a directory with llama-server and llama-bench, to run and compare; else those of the engine in use",
    )
    parser.add_argument(
        "--plain",
        type=Path,
        metavar="DIR",
        help="the same of llama.cpp as it is, to compare with (puna engine build --source DIR --tools makes one); "
        "else those that Puna runs",
    )
    parser.add_argument(
        "--peer",
        action="append",
        type=_peer,
        default=[],
        metavar="NAME=URL",
        help="another server with Ollama's API to measure with the same requests; may be repeated",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs"), metavar="DIR", help="where the file and the page are kept [docs]"
    )
    parser.add_argument(
        "--cache", type=Path, default=_cache(), metavar="DIR", help="where the models that are made are kept"
    )
    parser.add_argument("--page-only", action="store_true", help="make the page again from the figures of the file")
    return parser


def _peer(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not (name and equals and url.startswith(("http://", "https://"))):
        raise argparse.ArgumentTypeError(f"{text!r} does not have the form NAME=URL")
    return name, url.rstrip("/")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "puna-bench"


def _chosen_engine() -> Path | None:
    """Return the directory of the programs of the native engine that Puna uses, ``None`` if it uses none."""
    settings = Settings.from_env()
    program = Engines(settings.home, settings.engine).program()
    return Path(program).parent if program else None


def _models(cache: Path) -> dict[str, Path]:
    """Return the files of the models, the smallest first; those that are missing are made."""
    built_in = Library(cache / "home" / "models").get(CRIA).path
    return {CRIA: built_in, **{name: make(shape, cache / f"random-{name}.gguf") for name, shape in SHAPES.items()}}


def _command(asked: argparse.Namespace, part: str) -> str:
    """Return the command that measures one part again, without the paths of this machine."""
    words = ["python", "-m", "bench", "--only", part]
    words += ["--quick"] if asked.quick else []
    words += [word for model in asked.model or () for word in ("--model", model)]
    words += ["--plain", "DIR"] if asked.plain else []
    for name, _ in asked.peer:
        words += ["--peer", f"{name}=URL"]
    return shlex.join(words)


if __name__ == "__main__":
    main()
