"""Asks the portable engine whether it can load files, in a child process with bounds on memory and time.

llama.cpp knows some 150 architectures, each with its own keys, tensors and shapes, and refuses or aborts on what is
not as it must be. So what says whether a file is a model is that: it loads the file as it lies, reading the weights of
small ones only, with a small context (``load_probe.py``). For ``cria`` that takes a tenth of a second.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from puna.engine.architectures import known_architectures
from puna.engine.config import RunnerConfig
from puna.engine.engine_files import EngineFiles
from puna.engine.environment import environment
from puna.engine.header_check import knows_tables
from puna.engine.place import Place
from puna.engine.reasons import has_said_why, is_memory, reason_of
from puna.models.fitness import check_fits, check_projector, check_tokens
from puna.models.gguf import GGUFError, read_gguf
from puna.models.layouts.stored import NoRoomError
from puna.models.layouts.translation import has_projector, layout_of
from puna.models.loadable import ModelFiles, UnloadableError, UnsupportedModelError
from puna.models.split import parts_beside
from puna.models.unsupported import is_unknown_architecture

_CONTEXT, _BATCH = 512, 64
_BATCH_WITH_EYES = 512
"""Tokens: a picture goes into one step, and the engine refuses projectors whose smallest does not fit (Gemma 4: 70)."""
_SECONDS = 120
_PROCESSOR_SECONDS = 30
"""What a load computes is the vocabulary; a quarter of a million tokens take a second."""
_MARGIN = 4 << 30
"""Bytes that a load may take besides the files: the vocabulary, and a cache and buffers for a few hundred tokens."""
_LARGEST_TRANSLATION = 2 << 30
"""Bytes of a file that is copied into the engine's layout for a check. A larger one is not checked before its load."""
_LARGEST_COMPUTED = 512 << 20
"""Bytes of a model of which a token is computed, for which all of its weights are read."""
_REMEMBERED_LINES = 40
_LONGEST_LINE = 400
_FAILED = 3  # the status with which load_probe.py tells that the engine refused in order
DEATHS = (signal.SIGABRT, signal.SIGSEGV, signal.SIGFPE, signal.SIGBUS, signal.SIGILL)
"""The signals by which an engine dies of what it has read."""
_NO_THREADS = "Resource temporarily unavailable"
_AT_A_TIME = threading.BoundedSemaphore(2)
_log = logging.getLogger(__name__)


def check_load(files: ModelFiles) -> None:
    """Load ``files`` and let go of them again.

    Raises ``UnsupportedModelError``, or ``UnloadableError`` for anything else that is wrong with them. A check that
    cannot be made, or does not come to an end in time, says nothing: the load itself will tell.
    """
    try:
        reason = _reason(files, _state(files))
    except GGUFError as error:
        raise UnloadableError(str(error)) from None
    except (OSError, NoRoomError) as error:
        _log.warning("cannot check whether %s loads: %s", files.model.name, error)
        return
    if reason:
        raise (UnsupportedModelError if is_unknown_architecture(reason) else UnloadableError)(reason)


def _state(files: ModelFiles) -> tuple[tuple[int, int], ...]:
    paths = (files.model, *files.adapters, *((files.projector,) if files.projector else ()))
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths))


@lru_cache(maxsize=256)
def _reason(files: ModelFiles, state: tuple[tuple[int, int], ...]) -> str:
    """Return why files cannot be loaded, "" if they can; ``state`` changes with them."""
    model = read_gguf(files.model)
    if layout_of(model) and state[0][0] > _LARGEST_TRANSLATION:
        return ""
    if files.projector is None and has_projector(model):
        files = replace(files, projector=files.model)
    made = EngineFiles.of(_config(files))
    try:
        header = read_gguf(Path(made.config.model_path))
        if header.architecture in known_architectures():
            check_fits(header, tables=knows_tables())
            check_tokens(header)
        if made.config.projector_path:
            check_projector(read_gguf(Path(made.config.projector_path)), header.embedding_length or 0)
        beside = sum(size for size, _ in state[1:])  # adapters and projectors are copied, models mapped
        weights = sum(path.stat().st_size for path in parts_beside(Path(made.config.model_path)))
        asked = {"memory": _MARGIN + 2 * beside, "compute": weights <= _LARGEST_COMPUTED}
        return _try(replace(made.config, embedding=header.embeds), made.descriptors, asked)
    finally:
        made.close()


def _config(files: ModelFiles) -> RunnerConfig:
    return RunnerConfig(
        model_path=str(files.model),
        adapter_paths=tuple(map(str, files.adapters)),
        projector_path=str(files.projector or ""),
        context=_CONTEXT,
        batch=_BATCH_WITH_EYES if files.projector else _BATCH,
        flash_attention=False,
        threads=1,
        gpu_layers=0,
        repack=False,  # it would copy all of the weights
    )


def _try(config: RunnerConfig, descriptors: tuple[int, ...], asked: Mapping[str, int]) -> str:
    with _AT_A_TIME, Place(Path(tempfile.gettempdir())) as place:
        times = {"seconds": _SECONDS, "processor_seconds": _PROCESSOR_SECONDS}
        start = json.dumps({"socket": str(place.socket), **times, **asked})
        with tempfile.TemporaryFile() as log:
            try:
                code = subprocess.run(
                    [sys.executable, "-m", "puna.engine.load_probe", start, config.to_json()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    env=environment(),
                    pass_fds=descriptors,
                    timeout=_SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                raise OSError(f"it took more than {_SECONDS} seconds") from None
            return _verdict(code, _last_lines(log.fileno()))


def _verdict(code: int, lines: list[str]) -> str:
    if code == 0:
        return ""
    if code == -signal.SIGXCPU:
        return f"it computes for more than {_PROCESSOR_SECONDS} seconds before it could answer"
    if any(_NO_THREADS in line for line in lines):  # the machine is short of something
        raise OSError(_NO_THREADS)
    if is_memory(lines):
        return f"it takes more than {_MARGIN >> 30} GiB of memory besides its weights"
    if (code == _FAILED and has_said_why(lines)) or -code in DEATHS:
        reason = reason_of(lines, code)
        return reason if f"signal {-code}" not in reason else f"the engine crashes on what it says ({reason})"
    raise OSError(lines[-1] if lines else f"the check ended with status {code}")


def _last_lines(log: int) -> list[str]:
    end = os.fstat(log).st_size
    start = max(0, end - _REMEMBERED_LINES * _LONGEST_LINE)
    text = os.pread(log, end - start, start).decode(errors="replace")
    return [line.rstrip()[:_LONGEST_LINE] for line in text.splitlines()[-_REMEMBERED_LINES:]]
