"""Compiles llama.cpp with CMake and Ninja."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from puna.engine.build.errors import BuildError
from puna.engine.build.toolchain import Toolchain
from puna.engine.build.work import Work

PROGRAMS = ("llama-server", "llama-bench", "llama-quantize")
_STEP = re.compile(r"\[(\d+)/(\d+)\]")
_MEMORY_PER_JOB = 1 << 30
_FLAGS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "GGML_NATIVE": "ON",
    "LLAMA_CURL": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
}
_CUDA_FLAGS = {"GGML_CUDA": "ON", "CMAKE_CUDA_ARCHITECTURES": "native"}
_WITHOUT_CUDA = "(with --no-cuda it is built for the processor alone)"
_PRELUDE = Path(__file__).with_name("prelude.h")

Progress = Callable[[int, int], None]
"""Told how many steps are done, and how many there are."""


def default_jobs() -> int:
    """Return how many compilers may run at a time: one for each core, as far as memory goes."""
    return max(1, min(os.cpu_count() or 1, psutil.virtual_memory().available // _MEMORY_PER_JOB))


def compile_programs(work: Work, source: Path, tools: Toolchain, *, jobs: int, commit: str, progress: Progress) -> Path:
    """Compile ``PROGRAMS`` from ``source`` and return the directory that holds them, and nothing else.

    ``commit`` is what the programs say of their source, "" to let them find out. Raises ``BuildError``.
    """
    tree = work.place / "tree"
    header = work.place / _PRELUDE.name
    shutil.copyfile(_PRELUDE, header)
    flags = _FLAGS | (_cuda(tools) if tools.nvcc else {})
    flags |= {"CMAKE_C_COMPILER": tools.c, "CMAKE_CXX_COMPILER": tools.cxx, "CMAKE_MAKE_PROGRAM": tools.ninja}
    flags["CMAKE_CXX_FLAGS"] = f'{os.environ.get("CXXFLAGS", "")} -include "{header}"'.strip()
    if commit:
        flags |= {"LLAMA_BUILD_COMMIT": commit, "LLAMA_BUILD_NUMBER": "0"}
    defined = [f"-D{name}={value}" for name, value in flags.items()]
    try:
        work.run("configuring", [tools.cmake, "-G", "Ninja", "-S", source, "-B", tree, *defined])
    except BuildError as error:
        raise BuildError(f"{error}\n{_WITHOUT_CUDA}") if tools.nvcc else error from error

    def step(line: str) -> None:
        if found := _STEP.match(line):
            progress(int(found[1]), int(found[2]))

    work.run("compiling", [tools.ninja, "-C", str(tree), "-j", str(jobs), *PROGRAMS], line=step)
    made = work.place / "bin"
    made.mkdir()
    for name in PROGRAMS:
        shutil.move(tree / "bin" / name, made / name)
    return made


def _cuda(tools: Toolchain) -> dict[str, str]:
    # One compiler for all, as the two halves of a kernel's file meet in one program; the user may know better.
    named = any(os.environ.get(name) for name in ("CUDAHOSTCXX", "NVCC_CCBIN"))
    host = {} if named else {"CMAKE_CUDA_HOST_COMPILER": tools.cxx}
    return {**_CUDA_FLAGS, "CMAKE_CUDA_COMPILER": tools.nvcc, **host}
