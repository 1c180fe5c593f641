"""Which instruction sets this processor has, under the names that llama.cpp gives them."""

import platform
import re
import subprocess
import sys
from pathlib import Path

_X86 = {
    "avx": "AVX",
    "avx_vnni": "AVX_VNNI",
    "avx2": "AVX2",
    "f16c": "F16C",
    "fma": "FMA",
    "bmi2": "BMI2",
    "avx512f": "AVX512",
    "avx512vbmi": "AVX512_VBMI",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
    "avx512_fp16": "AVX512_FP16",
    "amx_int8": "AMX_INT8",
    "amx_bf16": "AMX_BF16",
}
_ARM = {
    "asimd": "NEON",
    "asimdhp": "FP16_VA",
    "asimddp": "DOTPROD",
    "i8mm": "MATMUL_INT8",
    "bf16": "BF16",
    "sve": "SVE",
    "sve2": "SVE2",
    "sme": "SME",
}
_APPLE = {
    "AdvSIMD": "NEON",
    "FP16": "FP16_VA",
    "DotProd": "DOTPROD",
    "I8MM": "MATMUL_INT8",
    "BF16": "BF16",
    "SME": "SME",
}
_FLAGS = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
_APPLE_FEATURE = re.compile(r"^hw\.optional\.(?:arm\.FEAT_)?(\w+): 1$", re.MULTILINE)
_ASK_SECONDS = 5


def instructions() -> tuple[str, ...]:
    """Return what the processor has, () where the system does not tell."""
    if sys.platform == "darwin":
        return _named(_APPLE_FEATURE.findall(_sysctl()), _APPLE)
    try:
        found = _FLAGS.search(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return ()
    names = _X86 if platform.machine() in ("x86_64", "i686") else _ARM
    return _named(found[1].split() if found else [], names)


def _named(flags: list[str], names: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for flag, name in names.items() if flag in flags)


def _sysctl() -> str:
    try:
        shown = subprocess.run(
            ["sysctl", "hw.optional"], capture_output=True, encoding="utf-8", timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return shown.stdout
