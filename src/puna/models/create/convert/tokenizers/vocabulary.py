"""A vocabulary on its way into a GGUF file, and the rules that all kinds of tokenizer share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gguf

from puna.models.create.convert.errors import ConvertError

MAX_TOKENS = 2**21
MAX_TOKEN_LENGTH = 65_536
TokenType = gguf.TokenType


@dataclass(slots=True)
class Vocabulary:
    """Tokens by id with what llama.cpp wants to know of them. ``model`` and ``pre`` are llama.cpp's words."""

    model: str
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float] | None = None
    merges: list[str] | None = None
    flags: dict[str, bool] = field(default_factory=dict)

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add the vocabulary's keys."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        if self.scores is not None:
            writer.add_token_scores(self.scores)
        if self.merges:
            writer.add_token_merges(self.merges)
        for name, value in self.flags.items():
            writer.add_bool(f"tokenizer.ggml.{name}", value)

    def set(self, number: int, text: str, kind: int, score: float = 0.0) -> None:
        """Put a token in its place.

        Ids beyond the embedding matrix are ignored, as the model cannot use them.
        """
        if not 0 <= number < len(self.tokens):
            return
        self.tokens[number] = text
        self.types[number] = kind
        if self.scores is not None:
            self.scores[number] = score


def blank(model: str, pre: str, size: int, *, scored: bool = False) -> Vocabulary:
    """A vocabulary of ``size`` unused places; the model may have more rows than its tokenizer has tokens."""
    if not 0 < size <= MAX_TOKENS:
        raise ConvertError(f"a vocabulary of {size} tokens is out of range")
    return Vocabulary(
        model,
        pre,
        [f"[PAD{number}]" for number in range(size)],
        [int(TokenType.UNUSED)] * size,
        [-10_000.0] * size if scored else None,
    )


def token_ids(vocabulary: object, file: str) -> dict[str, int]:
    """Check the token-to-id object of a tokenizer. Raises :class:`ConvertError`."""
    if not isinstance(vocabulary, dict) or not vocabulary or len(vocabulary) > MAX_TOKENS:
        raise ConvertError(f"{file} has no usable vocabulary")
    seen = set()
    for text, number in vocabulary.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < MAX_TOKENS:
            raise ConvertError(f"{file}: token {text[:80]!r} has the id {number!r:.40}")
        if len(text) > MAX_TOKEN_LENGTH:
            raise ConvertError(f"{file}: token {number} is {len(text)} characters long")
        if number in seen:
            raise ConvertError(f"{file}: the id {number} is given twice")
        seen.add(number)
    return vocabulary


def added_tokens(tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> dict[int, tuple[str, bool]]:
    """Id to (text, whether it controls) of the tokens that were added to a trained vocabulary."""
    found: dict[int, tuple[str, bool]] = {}
    decoder = config.get("added_tokens_decoder")
    entries: Iterable[tuple[object, object]] = decoder.items() if isinstance(decoder, dict) else ()
    listed = tokenizer.get("added_tokens")
    more = [(item.get("id"), item) for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    for key, entry in [*entries, *more]:
        text = entry.get("content") if isinstance(entry, dict) else None
        number = int(key) if isinstance(key, str) and key.isdecimal() else key
        if not isinstance(number, int) or isinstance(entry, bool) or not isinstance(text, str) or not text:
            raise ConvertError(f"an added token is malformed: {str(entry)[:80]}")
        if len(text) > MAX_TOKEN_LENGTH:
            raise ConvertError(f"added token {number} is {len(text)} characters long")
        special = bool(entry.get("special")) if isinstance(entry, dict) else False
        found[number] = (text, special or looks_special(text))
    return found


def looks_special(text: str) -> bool:
    """Whether a token controls the conversation although its tokenizer does not mark it so.

    The spellings are those that llama.cpp's converter knows (``does_token_look_special``).
    """
    if text in ("<pad>", "<mask>", "<2mass>", "[@BOS@]"):
        return True
    pairs = (("<|", "|>"), ("<｜", "｜>"), ("<unused", ">"))
    return any(text.startswith(start) and text.endswith(end) for start, end in pairs)


def add_tokens(vocabulary: Vocabulary, added: Mapping[int, tuple[str, bool]]) -> None:
    """Put added tokens over the trained ones.

    Llama.cpp wants user-defined ones with their spaces spelled out.
    """
    for number, (text, special) in added.items():
        kind = TokenType.CONTROL if special else TokenType.USER_DEFINED
        vocabulary.set(number, text if special else text.replace("▁", " "), int(kind), -1000.0)
