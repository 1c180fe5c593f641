"""Whether a header fits what llama.cpp makes of it: known before the engine sees the file, and told in plain words.

``gguf_checks.py`` asks what no file may say. Here is what the engine wants of the file that it gets, which for other
layouts is the translated one. Only what it refuses for certain is refused: each rule was read in its loader
(``llama-model.cpp``, ``llama-model-loader.cpp``, ``llama-vocab.cpp``, ``gguf.cpp``). The engine has the last word.
"""

from puna.models.fitness.architectures import KNOWN
from puna.models.fitness.blocks import check_blocks
from puna.models.fitness.keys import check_keys
from puna.models.fitness.projectors import check_projector
from puna.models.fitness.stored import kinds
from puna.models.fitness.tensors import check_tensors
from puna.models.fitness.vocabulary import check_tokens, check_vocabulary
from puna.models.gguf import GGUFFile

__all__ = ["check_fits", "check_projector", "check_tokens", "is_known"]

_NOT_MODELS = ("adapter", "mmproj", "imatrix")
_GUESSERS = ("dflash", "eagle3")
"""Draft models, whose tensors have the sizes of another model."""


def is_known(gguf: GGUFFile) -> bool:
    """Return whether the architecture of a model has a table here."""
    return gguf.architecture in KNOWN


def check_fits(gguf: GGUFFile, *, tables: bool = True) -> None:
    """Raise ``GGUFError`` for the header of a language model that no engine can load.

    The types of keys are looked at where ``gguf`` is the header of a file as it lies. Without ``tables`` nothing is
    asked that may be otherwise in the next release of llama.cpp: which tensors an architecture has.
    """
    if not gguf.architecture or gguf.architecture == "clip" or gguf.kind in _NOT_MODELS:
        return
    found = kinds(gguf)
    check_keys(gguf, found)
    check_vocabulary(gguf, found)
    is_part = (gguf.whole("split.count") or 0) > 1  # the others have the rest of the tensors
    if gguf.architecture not in _GUESSERS and not is_part:
        check_tensors(gguf)
        if tables:
            check_blocks(gguf)
