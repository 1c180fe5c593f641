"""Finds the tokenizer of a checkpoint and writes it."""

from pathlib import Path

import gguf

from puna.models.create.convert.config import Config, read_json
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.tokenizers.bpe import read_bpe
from puna.models.create.convert.tokenizers.sentencepiece import read_sentencepiece
from puna.models.create.convert.tokenizers.special import read_special_tokens
from puna.models.create.convert.tokenizers.vocabulary import Vocabulary
from puna.models.create.convert.tokenizers.wordpiece import read_wordpiece

MAX_TOKENIZER = 64 * 2**20
_WORD_LEVEL = ("WordPiece",)


def write_tokenizer(writer: gguf.GGUFWriter, directory: Path, model: Config, size: int) -> None:
    """Write vocabulary, special tokens and chat template for a model with ``size`` embedding rows."""
    tokenizer = read_json(directory / "tokenizer.json", MAX_TOKENIZER) or {}
    config = read_json(directory / "tokenizer_config.json") or {}
    kind = _kind(directory, tokenizer)
    if kind == "WordPiece":
        vocabulary = read_wordpiece(directory, tokenizer, config, size)
    elif kind == "SentencePiece":
        vocabulary = read_sentencepiece(directory / "tokenizer.model", tokenizer, config, size)
    elif kind == "BPE":
        vocabulary = read_bpe(tokenizer, config, size)
    else:
        raise ConvertError(f"tokenizer.json: models of the type {kind!r:.80} are not supported")
    special = read_special_tokens(directory, tokenizer, config, model, size)
    if not tokenizer:
        _ids_by_text(vocabulary, config, special.ids)
    vocabulary.write(writer)
    special.write(writer)


def _kind(directory: Path, tokenizer: dict[str, object]) -> object:
    model = tokenizer.get("model")
    kind = model.get("type") if isinstance(model, dict) else None
    if kind == "WordPiece" or (not tokenizer and (directory / "vocab.txt").is_file()):
        return "WordPiece"
    # The trained file knows the scores, tokenizer.json only their order.
    if (directory / "tokenizer.model").is_file() and (kind is None or _is_byte_fallback(model)):
        return "SentencePiece"
    if kind is None:
        raise ConvertError("the checkpoint has neither tokenizer.json nor tokenizer.model")
    return kind


def _is_byte_fallback(model: object) -> bool:
    return isinstance(model, dict) and bool(model.get("byte_fallback"))


def _ids_by_text(vocabulary: Vocabulary, config: dict[str, object], ids: dict[str, int]) -> None:
    """Look special tokens up in a vocabulary that came without ``tokenizer.json``."""
    numbers = {text: number for number, text in enumerate(vocabulary.tokens)}
    for kind in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"):
        entry = config.get(f"{kind}_token")
        text = entry.get("content") if isinstance(entry, dict) else entry
        if kind not in ids and isinstance(text, str) and text in numbers:
            ids[kind] = numbers[text]
