"""Names the pre-tokenizer of a byte-level BPE tokenizer in llama.cpp's words, from what it does.

The patterns are facts of the published tokenizers, the names those that ``llama-vocab.cpp`` of
ggml-org/llama.cpp maps to the same patterns. Spellings that split text alike are brought to one form before
they are compared.
"""

from collections.abc import Mapping
from typing import Any

from puna.models.create.convert.errors import ConvertError

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SLASH_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_WORD = r"[^\r\n\p{L}\p{N}]?"

_LLAMA3 = rf"{_CONTRACTIONS}|{_WORD}\p{{L}}+|\p{{N}}{{1,3}}{_TAIL}"
_QWEN2 = rf"{_CONTRACTIONS}|{_WORD}\p{{L}}+|\p{{N}}{_TAIL}"
_QWEN35 = (
    rf"{_CONTRACTIONS}|{_WORD}[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = rf"{_WORD}{_UPPER}*{_LOWER}+|{_WORD}{_UPPER}+{_LOWER}*|\p{{N}}{_SLASH_TAIL}"
_GPT4O = (
    rf"{_WORD}{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|{_WORD}{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}{_SLASH_TAIL}"
)
_DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT2_STEP = "gpt2"
_DIGIT_STEP = "digit"

_BY_STEPS: Mapping[tuple[str, ...], str] = {
    (_GPT2_STEP,): "gpt-2",
    (_DIGIT_STEP, _GPT2_STEP): "smollm",
    (_QWEN2,): "qwen2",
    (_QWEN35,): "qwen35",
    (_TEKKEN,): "tekken",
    (_GPT4O,): "gpt-4o",
    (r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", _DEEPSEEK3): "deepseek-v3",
    (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", _DIGIT_STEP): "deepseek-coder",
}

_SAME: tuple[tuple[str, str], ...] = (
    ("\r", r"\r"),
    ("\n", r"\n"),
    # Possessive repeats of sets that the next part cannot match, and a repeat that its neighbour already
    # eats.
    ("?+", "?"),
    ("++", "+"),
    ("'(?i:[sdmt]|ll|ve|re)", _CONTRACTIONS),
    (r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", _CONTRACTIONS),
    (r"\s*[\r\n]|", r"\s*[\r\n]+|"),
    (r"\p{N}{1}|", r"\p{N}|"),
)


def pretokenizer_name(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name for the ``pre_tokenizer`` of a ``tokenizer.json``.

    Raises :class:`ConvertError` for one that llama.cpp has no equal of: text would be split differently in
    silence.
    """
    definition = tokenizer.get("pre_tokenizer")
    steps = _steps(definition)
    model = tokenizer.get("model")
    whole_words = isinstance(model, Mapping) and model.get("ignore_merges") is True
    if steps == (_LLAMA3,):
        # The same pattern under two names: the first also takes whole words from the vocabulary before
        # merging.
        return "llama-bpe" if whole_words else "dbrx"
    name = _BY_STEPS.get(steps)
    if name is None and _is_deepseek_llm(steps):
        name = "deepseek-llm"
    if name is None:
        raise ConvertError(f"tokenizer.json: no known pre-tokenizer splits text as {str(definition)[:300]} does")
    return name


def _steps(definition: object) -> tuple[str, ...]:
    if not isinstance(definition, Mapping):
        return ("none",)
    kind = definition.get("type")
    if kind == "Sequence":
        parts = definition.get("pretokenizers")
        if not isinstance(parts, list) or len(parts) > 16:
            return ("malformed",)
        return tuple(
            step for part in parts if not _is_sequence(part) for step in _steps(part)
        )  # sequences are not nested in any published tokenizer
    if kind == "ByteLevel":
        if definition.get("add_prefix_space"):
            return ("prefix space",)
        return (_GPT2_STEP,) if definition.get("use_regex", True) else ()
    if kind == "Digits":
        return (_DIGIT_STEP if definition.get("individual_digits") else "digits",)
    if kind == "Split":
        return (_split(definition),)
    return (str(kind),)


def _is_sequence(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "Sequence"


def _split(definition: Mapping[str, Any]) -> str:
    pattern = definition.get("pattern")
    regex = pattern.get("Regex", pattern.get("String")) if isinstance(pattern, Mapping) else None
    behavior, invert = definition.get("behavior"), bool(definition.get("invert"))
    # Both keep every match as a piece of its own: one as found, one by removing what lies between (nothing).
    if not isinstance(regex, str) or (behavior, invert) not in (("Isolated", False), ("Removed", True)):
        return f"{behavior} {invert} {regex}"
    for spelling, same in _SAME:
        regex = regex.replace(spelling, same)
    return _DIGIT_STEP if regex == r"\p{N}" else regex


def _is_deepseek_llm(steps: tuple[str, ...]) -> bool:
    starts = (r"[\r\n]", r"\s?[A-Za-zµ", r"\s?[!-/:-~", r"\s+$", "[一-龥ࠀ-一가-퟿]+", "digits")
    return len(steps) == len(starts) and all(step.startswith(start) for step, start in zip(steps, starts, strict=True))
