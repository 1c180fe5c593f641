"""Draft models, which guess tokens for a larger one: in which way a file does so, and why it may not fit."""

from puna.models.gguf import GGUFFile
from puna.models.layouts.translation import as_engine_sees

_BY_ARCHITECTURE = {"dflash": "draft-dflash", "eagle3": "draft-eagle3", "gemma4-assistant": "draft-mtp"}


def has_mtp(gguf: GGUFFile) -> bool:
    """Return whether a model has layers that predict the tokens after the next one."""
    return bool(gguf.whole(f"{gguf.architecture}.nextn_predict_layers"))


def way_of(draft: GGUFFile) -> str:
    """Return llama.cpp's name of the way in which a draft model guesses, by its header as the engine gets it."""
    if has_mtp(draft):
        return "draft-mtp"
    return _BY_ARCHITECTURE.get(draft.architecture, "draft-simple")


def stands_alone(draft: GGUFFile) -> bool:
    """Return whether a draft model has tokens of its own, and is a model without the one that it guesses for."""
    return way_of(as_engine_sees(draft)) == "draft-simple"


def misfit(draft: GGUFFile, model: GGUFFile) -> str:
    """Return why a draft model cannot guess for a model, "" if nothing in their headers speaks against it.

    Those that go on from what the model has computed have no tokens of their own.
    """
    if stands_alone(draft) and vocabulary(draft) != vocabulary(model):
        return "its vocabulary is another one than the model's"
    return ""


def vocabulary(gguf: GGUFFile) -> bytes:
    """Return the part of the file that lists the tokens."""
    start, end = gguf.spans.get("tokenizer.ggml.tokens", (0, 0))
    with gguf.path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)
