"""Compiles llama.cpp with CMake and Ninja."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from puna.engine.build.errors import BuildError
from puna.engine.build.steps import Steps
from puna.engine.build.toolchain import Toolchain
from puna.engine.build.work import Work

SERVER, TOOLS = "llama-server", ("llama-bench", "llama-quantize")
_MEMORY_PER_JOB = 1 << 30
_FLAGS = {
    "CMAKE_BUILD_TYPE": "Release",
    # Kernels are compiled for speed (``targets.cmake``); for all else that would take longer and bring nothing.
    "CMAKE_C_FLAGS_RELEASE": "-O2 -DNDEBUG",
    "CMAKE_CXX_FLAGS_RELEASE": "-O2 -DNDEBUG",
    "BUILD_SHARED_LIBS": "OFF",
    "GGML_NATIVE": "ON",
    "GGML_CCACHE": "OFF",
    "LLAMA_ALL_WARNINGS": "OFF",
    "GGML_ALL_WARNINGS": "OFF",
    "LLAMA_CURL": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
}
_CUDA_FLAGS = {"GGML_CUDA": "ON", "CMAKE_CUDA_ARCHITECTURES": "native"}
_WITHOUT_CUDA = "(with --no-cuda it is built for the processor alone)"
_HEADER, _TARGETS = "prelude.h", "targets.cmake"
_SOURCES = (
    *("attention", "dots", "matrices", "superblocks", "weights"),
    *("drafts", "server", "mapping", "vocabulary"),
)
_OURS = (_HEADER, _TARGETS, "blocks.h", "lanes.h", "drafts.h", *(f"{name}.cpp" for name in _SOURCES))
ATTENTION_MARK = b"puna: attention for any number of tokens"
"""What a program contains that ``attention.cpp`` is part of: a processor or a source may have been without."""
DRAFTS_MARK = b"puna: drafts of what a request expects"
"""What a program contains that ``drafts.cpp`` is part of: a source may have been without."""
Progress = Callable[[float, float], None]
"""Told how much work is done, and how much there is, in a unit of which a second has always about as many."""


def default_jobs() -> int:
    """Return how many compilers may run at a time: one for each core, as far as memory goes."""
    return max(1, min(os.cpu_count() or 1, psutil.virtual_memory().available // _MEMORY_PER_JOB))


def compile_programs(
    work: Work, source: Path, tools: Toolchain, *, jobs: int, commit: str, progress: Progress, more: bool = False
) -> Path:
    """Compile llama-server (and with ``more`` what measures and quantises) and return the directory of the programs.

    ``commit`` is what the programs say of their source, "" for a source that is not the pinned one. Raises
    ``BuildError``.
    """
    tree, programs = configure(work, source, tools, commit), (SERVER, *(TOOLS if more else ()))
    ninja = [tools.ninja, "-C", str(tree), *programs]
    steps = Steps(progress)
    work.run("looking what is to be compiled", [*ninja, "-n"], line=steps.plan)
    work.run("compiling", [*ninja, "-j", str(jobs)], line=steps.done)
    made = work.place / "bin"
    made.mkdir()
    for name in programs:
        shutil.move(tree / "bin" / name, made / name)
    return made


def configure(work: Work, source: Path, tools: Toolchain, commit: str) -> Path:
    """Return the directory in which Ninja compiles, all settled; ``commit`` see ``compile_programs``."""
    tree = work.place / "tree"
    for name in _OURS:
        shutil.copyfile(Path(__file__).with_name(name), work.place / name)
    flags = {**_FLAGS, **(_cuda(tools) if tools.nvcc else {}), **tools.compiler, "CMAKE_MAKE_PROGRAM": tools.ninja}
    flags["CMAKE_CXX_FLAGS"] = f'{os.environ.get("CXXFLAGS", "")} -include "{work.place / _HEADER}"'.strip()
    flags["CMAKE_PROJECT_llama.cpp_INCLUDE"] = str(work.place / _TARGETS)
    if commit:
        flags |= {"LLAMA_BUILD_COMMIT": commit, "LLAMA_BUILD_NUMBER": "0"}
        flags["PUNA_SOURCES"] = str(work.place)  # another source may not bear them, nor that its files are joined
    defined = [f"-D{name}={value}" for name, value in flags.items()]
    try:
        work.run("configuring", [tools.cmake, "-G", "Ninja", "-S", source, "-B", tree, *defined])
    except BuildError as error:
        raise BuildError(f"{error}\n{_WITHOUT_CUDA}") if tools.nvcc else error from error
    return tree


def _cuda(tools: Toolchain) -> dict[str, str]:
    # One compiler for all, as the two halves of a kernel's file meet in one program; the user may know better.
    named = any(os.environ.get(name) for name in ("CUDAHOSTCXX", "NVCC_CCBIN"))
    host = {} if named else {"CMAKE_CUDA_HOST_COMPILER": tools.compiler["CMAKE_CXX_COMPILER"]}
    return {**_CUDA_FLAGS, "CMAKE_CUDA_COMPILER": tools.nvcc, **host}
