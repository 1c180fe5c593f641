"""What a build needs of the machine: a compiler, CMake, Ninja; and CUDA where a card is there to use it."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from puna.engine.build import index, zig
from puna.engine.build.errors import BuildError
from puna.engine.build.work import Work

_COMPILERS = (("cc", "c++"), ("gcc", "g++"), ("clang", "clang++"))
_INSTALL = {
    "debian": "apt install g++",
    "ubuntu": "apt install g++",
    "fedora": "dnf install gcc-c++",
    "rhel": "dnf install gcc-c++",
    "suse": "zypper install gcc-c++",
    "arch": "pacman -S gcc",
    "alpine": "apk add g++ linux-headers",
}
_WHEELS = ("cmake>=3.28,<5", "ninja>=1.11,<2")
_LEAST_CMAKE = (3, 20)
"""The first one that knows the commands of ``targets.cmake``."""
_LEAST_CMAKE_FOR_CUDA = (3, 24)
"""The first one that finds out for which card to compile."""
_CUDA_PLACES = ("/usr/local/cuda/bin/nvcc", "/opt/cuda/bin/nvcc")
_ASK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The programs of one build: flags of CMake that name the compiler, CMake, Ninja, and CUDA's compiler.

    ``nvcc`` is "" where the build is for the processor alone.
    """

    compiler: Mapping[str, str]
    cmake: str
    ninja: str
    nvcc: str = ""


def find_compilers(environment: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """Return the paths of a C and a C++ compiler, or nothing; ``CC`` and ``CXX`` win."""
    source = os.environ if environment is None else environment
    path = source.get("PATH")
    named = (source.get("CC", ""), source.get("CXX", ""))
    for c, cxx in ((named[0] or "cc", named[1]), *_COMPILERS) if named[1] else _COMPILERS:
        found_c, found_cxx = shutil.which(c, path=path), shutil.which(cxx, path=path)
        if found_c and found_cxx:
            return found_c, found_cxx
    return None


def missing_compiler() -> BuildError:
    """Return the error that there is no compiler, with both ways to one."""
    return BuildError(
        f"no C++ compiler was found; {_how_to_install()}, or take one from the package index for this build "
        f"({zig.SIZE}): puna engine build --fetch-compiler"
    )


def _how_to_install() -> str:
    if sys.platform == "darwin":
        return "install one with: xcode-select --install"
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    sudo = "" if os.geteuid() == 0 else "sudo "
    for name in (system.get("ID", ""), *system.get("ID_LIKE", "").split()):
        if name in _INSTALL:
            return f"install one with: {sudo}{_INSTALL[name]}"
    return "install g++ or clang++ with your system's packages"


def find_nvcc() -> str:
    """Return the CUDA compiler if there is one and a card that it can compile for, else ""."""
    nvcc = shutil.which(os.environ.get("CUDACXX", "nvcc")) or next(
        (place for place in _CUDA_PLACES if Path(place).is_file()), ""
    )
    return nvcc if nvcc and _has_card() else ""


def _has_card() -> bool:
    if Path("/dev/nvidia0").exists():
        return True
    asks = shutil.which("nvidia-smi")
    if not asks:
        return False
    try:
        listed = subprocess.run(
            [asks, "-L"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and listed.stdout.startswith(b"GPU ")


def assemble(work: Work, *, cuda: bool, fetch_compiler: bool = False) -> Toolchain:
    """Return the programs of a build: those on ``PATH``, and from the package index CMake and Ninja where they lack.

    With ``fetch_compiler`` the compiler comes from there as well; it is none that CUDA's could work with. Raises
    ``BuildError``, what to install among others.
    """
    found = None if fetch_compiler else find_compilers()
    if found is None and not fetch_compiler:
        raise missing_compiler()
    compiler = {"CMAKE_C_COMPILER": found[0], "CMAKE_CXX_COMPILER": found[1]} if found else zig.fetch(work)
    nvcc = find_nvcc() if cuda and found else ""
    cmake, ninja = shutil.which("cmake") or "", shutil.which("ninja") or ""
    if not (cmake and ninja and _version(cmake) >= (_LEAST_CMAKE_FOR_CUDA if nvcc else _LEAST_CMAKE)):
        cmake, ninja = _fetch(work)
    return Toolchain(compiler, cmake, ninja, nvcc)


def _version(cmake: str) -> tuple[int, ...]:
    try:
        shown = subprocess.run([cmake, "--version"], capture_output=True, timeout=_ASK_SECONDS, check=False).stdout
        return tuple(int(part) for part in shown.split()[2].split(b".")[:2])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return ()


def _fetch(work: Work) -> tuple[str, str]:
    """Install CMake and Ninja into a folder of the build, so that nobody's environment changes."""
    place = index.install(work, "CMake and Ninja", _WHEELS)
    # The scripts in its folder of programs find their package only when it is on Python's path.
    found = [shutil.which(name, path=f"{place}/{name}/data/bin:{place}/bin") for name in ("cmake", "ninja")]
    if not (found[0] and found[1]):
        raise BuildError(f"the packages of CMake and Ninja hold no programs; the log is {work.log}")
    return found[0], found[1]
