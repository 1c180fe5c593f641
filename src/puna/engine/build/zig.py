"""A compiler for machines without one: Zig's, which is Clang with the headers and libraries of C and C++ in one wheel.

https://pypi.org/project/ziglang: what it compiles runs with the machine's own libc and brings its own libc++.
"""

import sys
from pathlib import Path

from puna.engine.build import index
from puna.engine.build.work import Work

PACKAGE = "ziglang>=0.17,<0.18"
SIZE = "ziglang, about 100 MB, 0.5 GB on disk until the build is done"
"""What a user is told before it is fetched."""
_WITHOUT_SDK = ("GGML_METAL", "GGML_ACCELERATE", "GGML_BLAS")


def fetch(work: Work) -> dict[str, str]:
    """Fetch it and return the flags of CMake that make it the compiler. Raises ``BuildError``.

    Its optimised libraries are made at first use, once for each way of optimising; so whatever asks for none, such as
    CMake's look at a compiler, is given that of the build.
    """
    program = index.install(work, "a compiler", [PACKAGE]) / "ziglang" / "zig"
    caches = {"ZIG_GLOBAL_CACHE_DIR": "zig-libraries", "ZIG_LOCAL_CACHE_DIR": "zig-objects"}
    work.environment |= {name: str(work.place / folder) for name, folder in caches.items()}
    commands = {"C_COMPILER": "cc -O2", "CXX_COMPILER": "c++ -O2", "AR": "ar", "RANLIB": "ranlib"}
    flags = {f"CMAKE_{name}": _script(program, command) for name, command in commands.items()}
    if sys.platform == "darwin":
        flags |= dict.fromkeys(_WITHOUT_SDK, "OFF")
    return flags


def _script(zig: Path, command: str) -> str:
    """Write a program that is one command of Zig's, and return its path."""
    name, *_ = command.split()
    path = zig.parents[1] / f"zig-{name}"
    path.write_text(f'#!/bin/sh\nexec "{zig}" {command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)
