"""A runner on a llama-server that was built for this machine, or found on it.

It is started with the same meaning as the portable engine (``embedded.py``). Its key is in the environment, which other
users cannot read, and not on the command line, which they can. It has no pipe to listen to: ``bound.py`` makes it end
with the server, and whatever socket it then leaves behind is removed when the next server starts.
"""

import os
import re
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from puna.engine import bound
from puna.engine.config import RunnerConfig
from puna.engine.engines import about_of
from puna.engine.environment import environment
from puna.engine.errors import ModelLoadError
from puna.engine.place import Place

_ERRORS_AND_WARNINGS, _EVERYTHING = "2", "4"
_HELP_SECONDS = 20
_USED = re.compile(r"\b([A-Z][A-Z0-9_]*) = 1\b")
_PROCESSOR = " CPU : "
_UNINTERESTING = {"SSE3", "SSSE3", "LLAMAFILE", "OPENMP", "REPACK"}
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
_NEEDED = ("--host", "--slots", "--slot-save-path", "--cache-ram", "--context-shift", "--jinja", "--reasoning-format")
_DRAFT_SIZES = ("--spec-draft-n-max", "--spec-ngram-mod-n-max")
_NGRAM_SIZES = ("--spec-ngram-simple-size-m", "--spec-ngram-map-k-size-m", "--spec-ngram-map-k4v-size-m")
_MATCH_SIZES = (
    "--spec-ngram-simple-size-n",
    "--spec-ngram-map-k-size-n",
    "--spec-ngram-map-k4v-size-n",
    "--spec-ngram-mod-n-match",
)


class UnusableEngineError(ModelLoadError):
    """A file is not a llama-server that Puna can use."""


def known_options(program: str) -> frozenset[str]:
    """Return the options that a llama-server knows; raise ``UnusableEngineError`` if it is none, or too old."""
    try:
        stat = Path(program).stat()
    except OSError as error:
        raise UnusableEngineError(f"cannot run {program}: {error.strerror}") from error
    if not os.access(program, os.X_OK):
        raise UnusableEngineError(f"cannot run {program}: it is not a program, or not allowed to you")
    return _options(program, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _options(program: str, _size: int, _changed: int) -> frozenset[str]:
    options = frozenset(_OPTION.findall(output_of(program, "--help")))
    missing = [option for option in _NEEDED if option not in options]
    if missing:
        what = "is not a llama-server" if len(missing) == len(_NEEDED) else f"is too old: it lacks {missing[0]}"
        raise UnusableEngineError(f"{program} {what}")
    return options


def version_of(program: str) -> str:
    """Return what a llama-server says of its version and compiler, "" if it says nothing."""
    lines = output_of(program, "--version").splitlines()
    return ", ".join(line.removeprefix("version: ") for line in lines if line.startswith(("version:", "built with")))


def instructions_of(program: str) -> tuple[str, ...]:
    """Return the instruction sets that a llama-server uses here, () if it does not say."""
    with Place(Path(tempfile.gettempdir())) as place:  # it listens for the moment until it finds no model
        missing = ("--model", f"{place.path}/none", "--host", str(place.socket), "--verbosity", _EVERYTHING)
        lines = output_of(program, *missing).splitlines()
    return next((used_instructions(line) for line in lines if "system_info" in line), ())


def used_instructions(text: str) -> tuple[str, ...]:
    """Return the instruction sets out of llama.cpp's line about its system, in which cards may come first."""
    return tuple(name for name in _USED.findall(text.rpartition(_PROCESSOR)[2]) if name not in _UNINTERESTING)


def output_of(program: str, *arguments: str) -> str:
    """Return all that a llama-server writes when it is asked something, "" if it does not run."""
    try:
        shown = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            timeout=_HELP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return shown.stdout.decode(errors="replace")


def identity(program: str) -> str:
    """Return a text that is another one for every other engine."""
    try:
        stat = Path(program).stat()
    except OSError:
        return program
    return f"{program} {stat.st_size} {stat.st_mtime_ns}"


def command(config: RunnerConfig, socket: str, *, debug: bool = False) -> list[str]:
    """Return the command that serves ``config`` on ``socket``. Raises ``UnusableEngineError``."""
    known = known_options(config.engine)
    return bound.command(
        [
            config.engine,
            *("--model", config.model_path, "--host", socket),
            *("--verbosity", _EVERYTHING if debug else _ERRORS_AND_WARNINGS),
            *("--slots", "--no-warmup", "--context-shift", "--jinja", "--reasoning-format", "deepseek"),
            *(("--fit", "on" if config.fit else "off") if "--fit" in known else ()),
            *(("--no-ui",) if "--no-ui" in known else ("--no-webui",)),
            *("--parallel", str(config.parallel), "--ctx-size", str(config.context * config.parallel)),
            *_cache(config, known),
            *_computing(config, known),
            *_layout(config, known),
            *_files(config, known),
            *_embedding(config),
            *_passed(config, known),
            *_template(config, Path(socket).parent),
            *(_speculation(config, known) if config.speculation else ()),
        ]
    )


def _cache(config: RunnerConfig, known: frozenset[str]) -> list[str]:
    arguments = ["--cache-ram", str(config.prompt_cache)]
    arguments += ["--cache-type-k", config.kv_type, "--cache-type-v", config.kv_type]
    if config.slot_directory:
        arguments += ["--slot-save-path", f"{config.slot_directory}/"]
    if config.unified and "--kv-unified" in known:
        arguments += ["--kv-unified"]
        if "--kv-unified-per-slot" in known:  # else slots have no limit of their own, but right vectors
            arguments += ["--kv-unified-per-slot", str(config.context)]
    elif "--no-kv-unified" in known:
        arguments += ["--no-kv-unified"]
    return arguments


def _computing(config: RunnerConfig, known: frozenset[str]) -> list[str]:
    arguments = ["--batch-size", str(config.batch), "--ubatch-size", str(config.step)]
    if config.threads > 0:
        arguments += ["--threads", str(config.threads)]
    if config.threads_batch or config.threads:
        arguments += ["--threads-batch", str(config.threads_batch or config.threads)]
    if config.gpu_layers >= 0:
        arguments += ["--n-gpu-layers", str(config.gpu_layers)]
    if config.gpu_layers == 0 and "--device" in known:
        arguments += ["--device", "none"]  # else a card reads prompts all the same, and has the buffers for that
    if config.flash_attention is not None:
        arguments += ["--flash-attn", "on" if config.flash_attention else "off"]
    if config.numa:
        arguments += ["--numa", "distribute"]
    return arguments


def _layout(config: RunnerConfig, known: frozenset[str]) -> list[str]:
    repack = about_of(config.engine).repack if config.repack is None else config.repack
    return ["--no-repack"] if not repack and "--no-repack" in known else []


def _files(config: RunnerConfig, known: frozenset[str]) -> list[str]:
    arguments = ["--mmproj", config.projector_path] if config.projector_path else []
    for path in config.adapter_paths:
        arguments += ["--lora", f'"{path}"' if "," in path else path]  # it is read as a row of CSV
    if "--load-mode" in known:
        mode = "mmap+mlock" if config.use_mlock else "" if config.use_mmap else "none"
        return arguments + (["--load-mode", mode] if mode else [])
    if config.use_mlock:
        arguments.append("--mlock")
    elif not config.use_mmap:
        arguments.append("--no-mmap")
    return arguments


def _passed(config: RunnerConfig, known: frozenset[str]) -> list[str]:
    arguments: list[str] = []
    for flag, value in config.passed("flag"):
        if flag in known:
            arguments += [flag] if value is True else [flag, str(value)]
    return arguments


def _embedding(config: RunnerConfig) -> list[str]:
    if not config.embedding:
        return []
    return ["--embedding", *(("--pooling", config.pooling) if config.pooling else ())]


def _template(config: RunnerConfig, place: Path) -> list[str]:
    if not config.chat_template:
        return []
    file = place / "template.jinja"  # on a command line it might be too long
    file.write_text(config.chat_template, encoding="utf-8", errors="replace")
    return ["--chat-template-file", str(file)]


def _speculation(config: RunnerConfig, known: frozenset[str]) -> list[str]:
    if "--spec-type" not in known:
        raise UnusableEngineError(f"{config.engine} is too old for speculation: it lacks --spec-type")
    arguments = ["--spec-type", config.speculation]
    if config.draft_path:
        arguments += ["--spec-draft-model", config.draft_path]
    if config.draft_tokens > 0:
        for option in (*_DRAFT_SIZES, *_NGRAM_SIZES):
            arguments += [option, str(config.draft_tokens)]
        arguments += ["--spec-ngram-mod-n-min", str(min(config.draft_tokens, 48))]
    if config.draft_match > 0:
        for option in _MATCH_SIZES:
            arguments += [option, str(config.draft_match)]
    return arguments
