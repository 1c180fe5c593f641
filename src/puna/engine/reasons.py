"""Why a model could not be loaded, out of what the engine wrote: in plain words, and whether its files are at fault."""

import re
from collections.abc import Sequence

from puna.engine.words import is_library
from puna.models.unsupported import unknown_architecture

_ERROR_LEVEL = " E "  # the engine's log line: a clock, a level letter, the part of the program
_DETAIL = "Error:"  # what went wrong in a template, behind the place and the text of it
_LOADER = re.compile(
    r"error loading model(?: hyperparameters| vocabulary| architecture)?: "
    r"|(?:clip_init|mtmd_init_from_file|load_hparams|llama_adapter_lora_init\w*|gguf_init_from_\w+)[^:]*: "
)
_ARCHITECTURE = re.compile(r"unknown model architecture: '(.*)'")
_ADAPTER = "failed to apply lora adapter: "
_PART = re.compile(r"^\w+_\w+: +")  # the function of the engine that speaks
_MEMORY = re.compile(
    r"out of memory|insufficient memory|bad_alloc|cannot allocate|failed to allocate|unable to allocate", re.IGNORECASE
)
_TOO_LARGE = re.compile("cannot create", re.IGNORECASE)  # what C++ says of a container
_ABORT = re.compile(r"GGML_ASSERT\((?P<what>.*)\) failed|GGML_ABORT|fatal error")
_LONGEST = 300
_CONTRADICTION = "what its header says does not fit together"
_ASSERTED = {
    "id_to_token.size() == token_to_id.size()": "two tokens of its vocabulary are the same",
    '(uintptr_t)ptr % TENSOR_ALIGNMENT == 0 && "buffer pointer must be aligned"': "too small an alignment of its data",
}


def is_memory(lines: Sequence[str]) -> bool:
    """Return whether the engine's lines say that memory ran out."""
    return any(_MEMORY.search(line) for line in lines)


def is_fault_of_files(lines: Sequence[str]) -> bool:
    """Return whether the engine's lines say that it cannot load the files, whatever the memory and the options."""
    return not is_memory(lines) and any(_LOADER.search(line) for line in lines)


def has_said_why(lines: Sequence[str]) -> bool:
    """Return whether the engine's lines tell of an error at all."""
    return any(_ERROR_LEVEL in line for line in lines)


def reason_of(lines: Sequence[str], code: int | None) -> str:
    """Return the reason for which a process ended with ``code`` (negative: a signal) after it wrote ``lines``.

    What it quotes of a file is bounded, and has no control characters.
    """
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in _reason(lines, code))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _reason(lines: Sequence[str], code: int | None) -> str:
    loader = [line for line in lines if _LOADER.search(line)]
    if loader and not is_memory(lines):
        return _plain(loader[0])
    if code is not None and code < 0:
        aborted = next((match for line in lines if (match := _ABORT.search(line))), None)
        if aborted and aborted["what"]:
            return _ASSERTED.get(aborted["what"]) or f"{_CONTRADICTION} (the engine asserts {aborted['what']})"
        return f"the process was ended by signal {-code}"
    errors = [_whole(lines[index:]) for index, line in enumerate(lines) if _ERROR_LEVEL in line]
    if errors:
        return "; ".join(dict.fromkeys(" ".join(error.split()) for error in errors[:3]))
    return lines[-1] if lines else f"the process ended with status {code}"


def _whole(lines: Sequence[str]) -> str:
    """Return the error of the first line; what an interpreter of templates says of itself stands further below."""
    error = lines[0].partition(_ERROR_LEVEL)[2]
    if not error.rstrip().endswith(":"):
        return error
    return error + next((line.removeprefix(_DETAIL) for line in lines[1:] if line.startswith(_DETAIL)), "")


def _plain(line: str) -> str:
    """Return what the loader of the engine says, without the names of its functions and of C++'s."""
    text = " ".join(line.partition(_ERROR_LEVEL)[2].split()) or line
    while match := _LOADER.search(text):
        text = text[match.end() :]
    text = _PART.sub("", text).strip().replace(_ADAPTER, "the adapter does not fit: ")
    if unknown := _ARCHITECTURE.match(text):
        return unknown_architecture(unknown[1])
    if not text or is_library(text) or _TOO_LARGE.search(text):
        return _CONTRADICTION
    return text
