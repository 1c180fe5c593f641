"""The environment of the engine's processes: what a program needs to run, and what a user may tell its libraries.

Everything else stays outside, passwords and tokens first: a runner reads files that come from anywhere.
"""

import os

_NAMES = frozenset(["PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT"])
_SYSTEM = ("LC_", "LD_", "DYLD_", "PYTHON", "MALLOC_", "GLIBC_")
_COMPUTING = ("OMP_", "GOMP_", "KMP_", "GGML_", "OPENBLAS_", "MKL_", "BLIS_")
_CARDS = ("CUDA_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "GPU_", "SYCL_", "ONEAPI_", "ZE_", "VK_", "MESA_", "MTL_")
_PASSED = (*_SYSTEM, *_COMPUTING, *_CARDS)
_WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
_SPINS = "1000"
"""Looks that a thread takes at a barrier of OpenMP before it sleeps. Left alone, libgomp looks for milliseconds, and on
a busy machine it then keeps the processor from the very thread that it waits for."""


def environment(key: str = "") -> dict[str, str]:
    """Return the environment of a process of the engine; one that serves asks for ``key``."""
    passed = {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_PASSED)}
    # Without a word to the contrary ggml calls a debugger before it aborts, which takes seconds.
    defaults = {"GGML_NO_BACKTRACE": "1"}
    if not any(name in passed for name in _WAITING):
        defaults["GOMP_SPINCOUNT"] = _SPINS
    return defaults | passed | ({"LLAMA_API_KEY": key} if key else {})
