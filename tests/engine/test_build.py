"""Building an engine: what goes wrong changes nothing and says what to do; a real build is in ``tests/e2e``."""

import errno
import fcntl
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.system import require, require_native

from puna.cli import engine as engine_command
from puna.engine.build import build as building
from puna.engine.build import index, source, toolchain, trial, zig
from puna.engine.build.build import Order, build_engine
from puna.engine.build.compile import compile_programs
from puna.engine.build.errors import BuildError
from puna.engine.build.toolchain import Toolchain, assemble, find_compilers, find_nvcc
from puna.engine.build.work import Work, build_error
from puna.engine.config import RunnerConfig
from puna.engine.engines import Choice, Engines, Speed

HEADER = "cmake_minimum_required(VERSION 3.14)\nproject(fake C CXX)\n"
PROGRAMS = """foreach(name llama-server llama-bench llama-quantize)
add_executable(${name} one.cpp)
set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endforeach()
"""


EXECUTES = """#include <unistd.h>
int main(int, char **argv) { return execv("%s", argv); }
"""
"""A program that is another one."""


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(tmp_path / "home")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    place = tmp_path / "work"
    place.mkdir()
    return Work(place, tmp_path / "log")


@pytest.fixture
def _compiler() -> None:
    for program, package in (("c++", "g++"), ("cmake", "cmake"), ("ninja", "ninja-build")):
        require(program, package)


def tree(folder: Path, code: str) -> Path:
    """Return a tree that looks like llama.cpp's, whose programs are all made of ``code``."""
    (folder / "tools" / "server").mkdir(parents=True)
    (folder / "CMakeLists.txt").write_text(HEADER + PROGRAMS)
    (folder / "one.cpp").write_text(code)
    return folder


def failure(engines: Engines, order: Order) -> str:
    """Return why a build fails, and see that it leaves nothing but its log."""
    with pytest.raises(BuildError) as caught:
        build_engine(engines, order, lambda _: None, lambda _done, _total: None)
    assert engines.builds() == []
    assert engines.choice() == Choice()
    assert {path.name for path in engines.root.glob("*")} <= {"build.log", ".lock"}
    return str(caught.value)


def test_missing_compiler_is_told_before_anything_is_fetched(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain.sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for system, words in (
        ({"ID": "debian"}, "sudo apt install g++"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "sudo apt install g++"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "sudo dnf install gcc-c++"),
        ({"ID": "arch"}, "sudo pacman -S gcc"),
        ({"ID": "other"}, "your system's packages"),
    ):
        monkeypatch.setattr(toolchain.platform, "freedesktop_os_release", lambda system=system: system)
        text = failure(engines, Order())
        assert words in text
        assert "puna engine build --fetch-compiler" in text
        assert "about 100 MB" in text
    monkeypatch.setattr(toolchain.sys, "platform", "darwin")
    assert "xcode-select --install" in failure(engines, Order())


def test_compilers_may_be_named(tmp_path: Path) -> None:
    for name in ("my-cc", "my-c++"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    found = find_compilers({"PATH": str(tmp_path), "CC": "my-cc", "CXX": "my-c++"})
    assert found == (str(tmp_path / "my-cc"), str(tmp_path / "my-c++"))


def test_a_machine_without_a_compiler_gets_one_from_the_index(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheels are fetched for real by the test of the whole build (mark ``build``); here pip is one that unpacks."""
    for program in ("ziglang/zig", "cmake/data/bin/cmake", "bin/ninja"):
        path = work.place / "wheels" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\necho "$0" "$@" "$ZIG_GLOBAL_CACHE_DIR"\n')
        path.chmod(0o755)
    asked: list[Sequence[str]] = []

    def pip(_: Work, _what: str, packages: Sequence[str]) -> Path:
        asked.append(packages)
        return work.place / "wheels"

    monkeypatch.setattr(index, "install", pip)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BuildError, match="--fetch-compiler"):
        assemble(work, cuda=True)
    tools = assemble(work, cuda=True, fetch_compiler=True)
    assert asked == [[zig.PACKAGE], toolchain._WHEELS]
    assert tools.nvcc == ""
    assert Path(tools.cmake).parts[-4:] == ("cmake", "data", "bin", "cmake")
    said: list[str] = []
    for name in ("C_COMPILER", "CXX_COMPILER", "AR", "RANLIB"):
        work.run("asking", [tools.compiler[f"CMAKE_{name}"], "x y"], line=said.append)
    libraries = work.place / "zig-libraries"
    begins = [line.removesuffix(f" x y {libraries}").rpartition("/zig ")[2] for line in said]
    assert begins == ["cc -O2", "c++ -O2", "ar", "ranlib"]


def test_cuda_wants_a_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in (("nvcc", ""), ("nvidia-smi", "echo 'GPU 0: a card'")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_nvcc() == str(tmp_path / "nvcc")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    if not Path("/dev/nvidia0").exists():
        assert find_nvcc() == ""


@pytest.mark.parametrize(
    ("version", "alone", "with_card"), [("3.19", True, True), ("3.22", False, True), ("3.24", False, False)]
)
def test_cmake_must_know_what_the_build_asks_of_it(
    version: str, alone: bool, with_card: bool, work: Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("c++", "cc", "ninja", "nvcc"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    (tmp_path / "cmake").write_text(f"#!/bin/sh\necho cmake version {version}.1\n")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: a card'\n")
    for path in tmp_path.iterdir():
        if path.is_file():
            path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(toolchain, "_fetch", lambda _: ("fetched", "fetched"))
    assert (assemble(work, cuda=False).cmake == "fetched") is alone
    tools = assemble(work, cuda=True)
    assert (tools.cmake == "fetched", tools.nvcc) == (with_card, str(tmp_path / "nvcc"))


@pytest.mark.usefixtures("_compiler")
def test_card_that_nothing_can_be_built_for_is_told_how_to_leave_out(work: Work, tmp_path: Path) -> None:
    place = tmp_path / "tree"
    place.mkdir()
    (place / "CMakeLists.txt").write_text(
        HEADER + "if(GGML_CUDA)\nmessage(FATAL_ERROR ${CMAKE_CUDA_HOST_COMPILER}:none)\nendif()\n"
    )
    tools = replace(assemble(work, cuda=False), nvcc="/nvcc")
    cxx = tools.compiler["CMAKE_CXX_COMPILER"]
    with pytest.raises(BuildError) as caught:
        compile_programs(work, place, tools, jobs=1, commit="", progress=lambda _done, _total: None)
    assert f"{cxx}:none" in str(caught.value)
    assert "--no-cuda" in str(caught.value)


@pytest.mark.usefixtures("_compiler")
def test_source_that_does_not_compile_shows_the_end_of_the_log(engines: Engines, tmp_path: Path) -> None:
    broken = tree(tmp_path / "broken", "int main() { return this_is_not_there; }\n")
    text = failure(engines, Order(source=broken))
    assert text.startswith("compiling failed with status 1")
    assert "this_is_not_there" in text
    log = engines.root / "build.log"
    assert str(log) in text
    assert "this_is_not_there" in log.read_text()


@pytest.mark.usefixtures("_compiler")
def test_build_that_does_not_work_is_thrown_away(engines: Engines, tmp_path: Path) -> None:
    silly = tree(tmp_path / "silly", "int main() { return 3; }\n")
    steps: list[tuple[float, float]] = []
    with pytest.raises(BuildError, match=r"does not work and was thrown away: .* is not a llama-server"):
        build_engine(engines, Order(source=silly), lambda _: None, lambda *step: steps.append(step))
    assert engines.builds() == []
    done, total = zip(*steps, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == pytest.approx(total[-1])


@pytest.mark.usefixtures("_compiler")
def test_a_build_is_told_to_programs_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PUNA_HOME", str(tmp_path / "home"))
    as_it_is = tree(tmp_path / "tree", EXECUTES % require_native())
    monkeypatch.setattr(trial, "measure", lambda *_: trial.Measured(Speed(200, 20), False, Speed(100, 20)))
    engine_command.build(source=as_it_is, as_json=True)
    *steps, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert {step["status"] for step in steps} >= {"compiling", "checking the build: cria answers with it"}
    assert all(step["completed"] <= step["total"] for step in steps if step["status"] == "compiling")
    assert (last["status"], last["name"], last["used"], last["answers"]["asked"]) == ("success", "native", True, 3)
    assert (last["about"]["speed"]["prompt"], last["about"]["portable_speed"]["prompt"]) == (200, 100)
    assert Engines(tmp_path / "home").chosen() == "native"


def test_something_else_is_no_source(engines: Engines, tmp_path: Path) -> None:
    assert "does not hold the source of llama.cpp" in failure(engines, Order(source=tmp_path))


def test_second_build_at_a_time_is_refused(engines: Engines, tmp_path: Path) -> None:
    engines.root.mkdir(parents=True)
    with (engines.root / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another puna engine build is under way" in failure(engines, Order(source=tmp_path))
    assert "does not hold" in failure(engines, Order(source=tmp_path))


def test_leftovers_of_a_killed_build_go_with_the_next(engines: Engines, tmp_path: Path) -> None:
    left = engines.root / "puna-working-abc"
    left.mkdir(parents=True)
    failure(engines, Order(source=tmp_path))
    assert not left.exists()


def test_disk_without_room_is_told_first(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 5 << 20))  # type: ignore[attr-defined]
    assert "a build needs 1024 MiB" in failure(engines, Order())


def test_disk_that_fills_is_told(work: Work) -> None:
    for words in ("No space left on device", "Disk quota exceeded"):
        with pytest.raises(BuildError, match=f"that holds {work.place.parent} is full; nothing has changed"):
            work.run("compiling", ["/bin/sh", "-c", f"echo 'x.o: {words}' >&2; exit 1"])
    assert f"that holds {work.place} is full" in str(build_error(OSError(errno.ENOSPC, "No space left"), work.place))
    elsewhere = OSError(errno.ENOSPC, "No space left", "/elsewhere/file")
    assert "that holds /elsewhere is full" in str(build_error(elsewhere, work.place))
    assert "Permission" in str(build_error(PermissionError(errno.EACCES, "Permission denied"), work.place))


def test_disk_that_fills_under_numpy_is_told(work: Work) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="requested") as caught, (work.place / "model").open("wb") as file:
            np.zeros(1000).tofile(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"that holds {work.place} is full" in str(build_error(caught.value, work.place))


def test_programs_speak_english_and_keep_to_the_disk_of_the_build(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("TMPDIR", "/full")
    work.run("asking", ["/bin/sh", "-c", 'touch "$TMPDIR/x" && echo "in $LC_ALL"'])
    assert (work.place / "temporary" / "x").exists()
    assert "in C\n" in work.log.read_text()


def test_program_that_fails_leaves_its_words_in_the_log(work: Work) -> None:
    seen: list[str] = []
    with pytest.raises(BuildError, match=r"trying failed with status 5; the log is .*\n(line \d+\n?){15}$"):
        work.run("trying", ["/bin/sh", "-c", "seq -f 'line %g' 100; exit 5"], line=seen.append)
    assert len(seen) == 100
    assert "line 1\n" in work.log.read_text()


def archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    return path


def test_only_what_a_build_needs_is_unpacked(tmp_path: Path) -> None:
    inside = f"llama_cpp_python-{source.VERSION}/vendor/llama.cpp"
    names = ("CMakeLists.txt", "tools/server/x.cpp", "models/x.gguf", ".git", "tests/x.cpp")
    packed = archive(tmp_path / "a.tar.gz", "x/setup.py", *(f"{inside}/{name}" for name in names))
    unpacked = source.unpack(packed, tmp_path / "out")
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert files == {"CMakeLists.txt", "tools/server/x.cpp"}
    assert not (tmp_path / "out" / "x").exists()


def test_archive_without_the_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="does not hold the source"):
        source.unpack(archive(tmp_path / "a.tar.gz", "x/y"), tmp_path / "out")


def test_archive_with_another_hash_is_refused(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.tar.gz", "x")
    source.verify(packed, hashlib.sha256(packed.read_bytes()).hexdigest())
    with pytest.raises(BuildError, match="has the SHA-256"):
        source.verify(packed, source.SHA256)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "another SHA-256"),
        ("ERROR: No matching distribution found for llama-cpp-python==0.3.36", "cannot be reached"),
        ("something else", "fetching the source failed"),
    ],
)
def test_failed_download_says_why(said: str, told: str, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = work.place / "pip"
    pip.write_text(f"#!/bin/sh\necho '{said}'\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr(index.sys, "executable", str(pip))
    monkeypatch.setattr("puna.engine.bound.command", lambda program: program)
    with pytest.raises(BuildError, match=told):
        source.fetch(work)


def test_missing_pip_is_told(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BuildError, match="-m ensurepip"):
        source.fetch(work)


@pytest.mark.usefixtures("_compiler")
def test_place_may_have_any_name(tmp_path: Path) -> None:
    place = tmp_path / "a place, 地方"
    place.mkdir()
    work = Work(place, tmp_path / "log")
    three = tree(place / "source", "int main() { return 0; }\n")
    tools = assemble(work, cuda=False)
    assert isinstance(tools, Toolchain)
    assert tools.nvcc == ""
    made = compile_programs(work, three, tools, jobs=1, commit="abc", progress=lambda _done, _total: None, more=True)
    assert sorted(path.name for path in made.iterdir()) == ["llama-bench", "llama-quantize", "llama-server"]


CLEARING = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

static long resident() {
    long all = 0, here = 0;
    FILE * file = fopen("/proc/self/statm", "r");
    if (fscanf(file, "%ld %ld", &all, &here) != 2) abort();
    fclose(file);
    return here * sysconf(_SC_PAGESIZE) >> 20;
}

int main(int, char ** arguments) {
    const size_t size = (size_t)96 << 20;
    char * whole = (char *)malloc(size + 100), * part = whole + 33;
    memset(whole, 7, size + 100);
    const long before = resident();
    if (arguments[1]) std::memset(part, 0, size); else memset(part, 0, size);
    const long after = resident();
    for (size_t index = 0; index < size + 100; index++) {
        const bool inside = index >= 33 && index < size + 33;
        if (whole[index] != (inside ? 0 : 7)) return 2;
    }
    printf("%ld %ld\n", before, after);
}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the pages of other systems are not given back")
@pytest.mark.usefixtures("_compiler")
def test_clearing_a_cache_gives_its_memory_back(work: Work) -> None:
    tools = assemble(work, cuda=False)
    made = compile_programs(
        work, tree(work.place / "source", CLEARING), tools, jobs=1, commit="", progress=lambda _done, _total: None
    )
    for arguments in ([], ["std"]):
        output = subprocess.run([made / "llama-server", *arguments], check=True, capture_output=True, text=True).stdout
        before, after = map(int, output.split())
        assert before > 96
        assert after < 32


def test_portable_engine_passes_the_check_of_engines(socket_path: Path) -> None:
    assert trial.check("", socket_path) == trial.Comparison(3, 3)


def test_engine_is_measured_as_it_is_the_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, fast, other = Speed(100, 10), Speed(200, 9), Speed(100, 10.5)
    for speeds, expected in (
        ([slow, fast, other], trial.Measured(fast, repack=False, portable=other)),
        ([fast, slow, other], trial.Measured(fast, repack=True, portable=other)),
    ):

        async def measured(configs: Sequence[RunnerConfig], _: Path, speeds: list[Speed] = speeds) -> list[Speed]:
            assert [(config.engine, config.repack) for config in configs] == [("x", True), ("x", False), ("", None)]
            return speeds

        monkeypatch.setattr(trial, "_measure", measured)
        result = trial.measure("x", tmp_path, tmp_path)
        assert result == expected
        assert result.is_faster
    assert not trial.Measured(slow, repack=True, portable=other).is_faster


def test_measuring_goes_on_until_the_best_of_each_engine_is_sure() -> None:
    slow, fast, lucky = Speed(100, 10), Speed(200, 20), Speed(400, 40)
    assert not trial._decided([[fast, fast, slow]] * 9, 0)
    assert trial._decided([[fast, fast, slow]] * 10, 0)
    # The machine was free for one round of one engine.
    alone = [[fast, fast, slow]] * 9 + [[fast, fast, lucky]]
    assert not trial._decided(alone, 0)
    assert trial._decided([*alone, [fast, fast, lucky]], 0)
    assert not trial._decided([[fast, fast, Speed(195, 20)]] * 30, 0)
    assert trial._decided([[fast, fast, Speed(195, 20)]] * 60, 0)
    assert trial._decided(alone, 151)


def test_engine_that_crashes_fails_the_check(tmp_path: Path, socket_path: Path) -> None:
    server = tmp_path / "llama-server"
    options = "--host --slots --slot-save-path --cache-ram --context-shift --jinja --reasoning-format"
    server.write_text(f'#!/bin/sh\n[ "$1" = --help ] && echo "{options}" && exit\nkill -11 $$\n')
    server.chmod(0o755)
    with pytest.raises(trial.FailedCheckError, match="ended by signal 11"):
        trial.check(str(server), socket_path)
