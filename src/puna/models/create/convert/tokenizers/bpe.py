"""Byte-pair tokenizers from ``tokenizer.json``: byte-level ones, and SentencePiece ones in that clothing."""

import re
from collections.abc import Mapping
from typing import Any

from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.tokenizers.pretokenizer import pretokenizer_name
from puna.models.create.convert.tokenizers.vocabulary import (
    TokenType,
    Vocabulary,
    add_tokens,
    added_tokens,
    blank,
    token_ids,
)

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
MAX_MERGES = 2**22


def read_bpe(tokenizer: Mapping[str, Any], config: Mapping[str, Any], size: int) -> Vocabulary:
    """The vocabulary of a ``BPE`` model in ``tokenizer.json`` for an embedding of ``size`` rows."""
    model = tokenizer["model"]
    ids = token_ids(model.get("vocab"), "tokenizer.json")
    merges = _merges(model.get("merges"))
    added = added_tokens(tokenizer, config)
    if any(number >= size for number in ids.values()):
        raise ConvertError(f"tokenizer.json has more tokens than the model's {size} embedding rows")
    if model.get("byte_fallback"):
        return _sentencepiece_like(tokenizer, ids, merges, added, size)
    vocabulary = blank("gpt2", pretokenizer_name(tokenizer), size)
    for text, number in ids.items():
        vocabulary.set(number, text, int(TokenType.NORMAL))
    add_tokens(vocabulary, added)
    # A space inside a merge is written as its byte-level letter: the list joins the two halves with a space.
    vocabulary.merges = [f"{left.replace(' ', 'Ġ')} {right.replace(' ', 'Ġ')}" for left, right in merges]
    return vocabulary


def _merges(raw: object) -> list[tuple[str, str]]:
    if not isinstance(raw, list) or len(raw) > MAX_MERGES:
        raise ConvertError("tokenizer.json has no usable list of merges")
    merges = []
    for item in raw:
        pair = item.split(" ") if isinstance(item, str) else item
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise ConvertError(f"tokenizer.json: the merge {str(item)[:80]!r} is malformed")
        merges.append((pair[0], pair[1]))
    return merges


def _sentencepiece_like(
    tokenizer: Mapping[str, Any],
    ids: Mapping[str, int],
    merges: list[tuple[str, str]],
    added: Mapping[int, tuple[str, bool]],
    size: int,
) -> Vocabulary:
    """A SentencePiece BPE vocabulary whose scores are gone: the order of the merges stands for them.

    llama.cpp joins the neighbours whose union has the best score first, a merge list the pair that comes
    first, so minus the rank of a piece's first merge gives the same order.
    """
    vocabulary = blank("llama", "default", size, scored=True)
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    unknown = tokenizer["model"].get("unk_token")
    for text, number in ids.items():
        if _BYTE.fullmatch(text):
            kind, score = TokenType.BYTE, 0.0
        elif text == unknown:
            kind, score = TokenType.UNKNOWN, 0.0
        else:
            kind, score = TokenType.NORMAL, -float(ranks.get(text, len(merges))) - 1
        vocabulary.set(number, text, int(kind), score)
    add_tokens(vocabulary, {number: entry for number, entry in added.items() if entry[0] != unknown})
    vocabulary.flags["add_space_prefix"] = prepends_space(tokenizer)
    return vocabulary


def prepends_space(tokenizer: Mapping[str, Any]) -> bool:
    """Whether a SentencePiece-like ``tokenizer.json`` puts a space before the text."""
    for section in ("normalizer", "pre_tokenizer"):
        for step in _flatten(tokenizer.get(section)):
            if step.get("type") == "Prepend":
                return True
            if step.get("type") == "Metaspace":
                older = "always" if step.get("add_prefix_space", True) else "never"
                return bool(step.get("prepend_scheme", older) != "never")
    return False


def _flatten(definition: object) -> list[Mapping[str, Any]]:
    if not isinstance(definition, Mapping):
        return []
    for key in ("normalizers", "pretokenizers"):
        parts = definition.get(key)
        if isinstance(parts, list):
            return [part for part in parts if isinstance(part, Mapping)]
    return [definition]
