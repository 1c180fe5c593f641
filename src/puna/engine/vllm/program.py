"""Where vLLM is, and how it is started with the meaning of a ``RunnerConfig``."""

import os
import shutil
import sys
from pathlib import Path

from puna.engine import bound
from puna.engine.config import RunnerConfig

NAME = "vllm"
"""What it is called in ``puna engine use``, and how its program is."""
SERVED = "model"
"""What its server calls the only model that it has."""
_GIB = 1 << 30
OVERHEAD = 3 * _GIB
"""About what its processes hold besides a model: two interpreters with PyTorch in them."""


def find_program() -> str:
    """Return vLLM's program: beside this Python, where the extra ``vllm`` puts it, else on the path; "" for none."""
    beside = Path(sys.executable).with_name(NAME)
    return str(beside) if beside.is_file() else shutil.which(NAME) or ""


def is_vllm(program: str) -> bool:
    """Return whether the engine of a ``RunnerConfig`` is vLLM."""
    return Path(program).name == NAME


def command(config: RunnerConfig, socket: str, *, debug: bool = False) -> list[str]:
    """Return the command that serves ``config`` on ``socket``."""
    return bound.command(
        [
            config.engine,
            *("serve", config.model_path, "--uds", socket, "--served-model-name", SERVED),
            *("--max-model-len", str(config.context), "--max-num-seqs", str(config.parallel)),
            # What a checkpoint recommends is for its own chats; here a request says what it wants.
            *("--generation-config", "vllm", "--enable-prompt-tokens-details"),
            # The others do not read grammars in llama.cpp's notation.
            *("--structured-outputs-config", '{"backend": "xgrammar"}'),
            *_parallel(),
            *("--max-logprobs", "20", "--uvicorn-log-level", "info" if debug else "warning"),
        ]
    )


def _parallel() -> tuple[str, ...]:
    """Return how many cards share the model: a power of two, since they share its heads."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        cards = len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()])
    else:
        cards = len([card for card in named.split(",") if card.strip()])
    return ("--tensor-parallel-size", str(1 << (cards.bit_length() - 1))) if cards > 1 else ()


def environment(config: RunnerConfig, key: str, place: Path) -> dict[str, str]:
    """Return what vLLM is told by its environment: its key, and to ask nobody on the internet.

    ``place`` is a directory that is gone with the process.
    """
    cache = max(1, -(-config.cache_bytes // _GIB))
    told = {
        "VLLM_API_KEY": key,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": str(cache),
        "VLLM_RPC_BASE_PATH": str(place),
        "TMPDIR": str(place),
    }
    own = {name: value for name, value in os.environ.items() if name.startswith("VLLM_")}
    return {**told, **own, "VLLM_API_KEY": key, **_named(config.engine, place)}


def _named(program: str, place: Path) -> dict[str, str]:
    """Return what lets the package ``vllm-cpu`` find itself, which looks for its version under the name ``vllm``."""
    for packages in Path(program).absolute().parent.parent.glob("lib/python3*/site-packages"):
        found = next(packages.glob("vllm_cpu-*.dist-info"), None)
        if found is None or any(packages.glob("vllm-*.dist-info")):
            continue
        version = f"{found.name.removeprefix('vllm_cpu-').removesuffix('.dist-info')}+cpu"
        about = place / "packages" / f"vllm-{version}.dist-info" / "METADATA"
        about.parent.mkdir(parents=True, exist_ok=True)
        about.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n", encoding="utf-8")
        # Else the first request waits for a compiler, which there may not be.
        eager = {"TORCH_COMPILE_DISABLE": os.environ.get("TORCH_COMPILE_DISABLE", "1")}
        return eager | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(place / "packages"), os.environ.get("PYTHONPATH")]))
        }
    return {}
