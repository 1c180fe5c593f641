"""WordPiece tokenizers of BERT, from ``tokenizer.json`` or ``vocab.txt``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.tokenizers.vocabulary import (
    MAX_TOKENS,
    TokenType,
    Vocabulary,
    added_tokens,
    blank,
    token_ids,
)

MAX_FILE = 32 * 2**20
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def read_wordpiece(directory: Path, tokenizer: Mapping[str, Any], config: Mapping[str, Any], size: int) -> Vocabulary:
    """The vocabulary for ``size`` embedding rows, in the form that llama.cpp's ``bert`` tokenizer wants.

    There a word begins with "▁" and its continuation has no mark, the reverse of "##" (``phantom space``).
    """
    model = tokenizer.get("model")
    if isinstance(model, Mapping) and model.get("type") == "WordPiece":
        ids = token_ids(model.get("vocab"), "tokenizer.json")
    else:
        ids = _vocabulary_file(directory / "vocab.txt")
    if any(number >= size for number in ids.values()):
        raise ConvertError(f"the tokenizer has more tokens than the model's {size} embedding rows")
    special = {number for number, (_, controls) in added_tokens(tokenizer, config).items() if controls}
    special |= {ids[text] for text in _SPECIAL if text in ids}
    vocabulary = blank("bert", "default", size)
    for text, number in ids.items():
        if number in special:
            vocabulary.set(number, text, int(TokenType.CONTROL))
        else:
            spelled = text[2:] if text.startswith("##") else "▁" + text
            vocabulary.set(number, spelled, int(TokenType.NORMAL))
    vocabulary.flags.update(_normalization(tokenizer, config))
    return vocabulary


def _normalization(tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, bool]:
    normalizer = tokenizer.get("normalizer")
    found = normalizer if isinstance(normalizer, Mapping) else {}
    lower = found.get("lowercase", config.get("do_lower_case", True)) is not False
    accents = found.get("strip_accents", config.get("strip_accents"))
    # Without a word on accents, BERT strips them exactly where it lowers the case.
    strip = accents if isinstance(accents, bool) else lower
    return {"normalizer.lowercase": lower, "normalizer.strip_accents": strip}


def _vocabulary_file(path: Path) -> dict[str, int]:
    if not path.is_file():
        raise ConvertError("neither tokenizer.json nor vocab.txt has a WordPiece vocabulary")
    if path.stat().st_size > MAX_FILE:
        raise ConvertError(f"{path.name} is larger than {MAX_FILE // 2**20} MiB")
    lines = path.read_text("utf-8", errors="replace").split("\n")
    if len(lines) > MAX_TOKENS:
        raise ConvertError(f"{path.name} has {len(lines)} lines")
    return {line.rstrip("\r"): number for number, line in enumerate(lines) if line}
