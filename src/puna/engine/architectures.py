"""Which architectures the portable engine knows: it is asked once, in a child process, as it is for its version."""

import ctypes
import json
import subprocess
import sys
from functools import cache

_MOST = 4096
_SECONDS = 20
_NAME_OF = "_Z13llm_arch_name8llm_arch"  # const char * llm_arch_name(llm_arch)
_NONE = "(unknown)"


@cache
def known_architectures() -> frozenset[str]:
    """Return the architectures by name; none where the engine does not tell."""
    try:
        told = subprocess.run(
            [sys.executable, "-m", "puna.engine.architectures"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        ).stdout
        return frozenset(json.loads(told))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return frozenset()


def _names() -> list[str]:
    import xllamacpp

    try:
        name_of = getattr(ctypes.CDLL(xllamacpp.xllamacpp.__file__), _NAME_OF)
    except (OSError, AttributeError):  # other compilers call it otherwise
        return []
    name_of.argtypes, name_of.restype = [ctypes.c_int], ctypes.c_char_p
    names: list[str] = []
    while len(names) < _MOST and (name := name_of(len(names)).decode()) != _NONE:
        names.append(name)
    return names


if __name__ == "__main__":
    json.dump(_names(), sys.stdout)
