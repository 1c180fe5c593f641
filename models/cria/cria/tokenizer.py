"""The tokenizer: byte-level BPE that llama.cpp reads as ``gpt2`` with the pre-tokenizer ``qwen2``.

A small model copies a word only when it is cut the same way wherever it stands. So merges are learned in
two rounds: first only inside words, numbers (single digits), punctuation and single Chinese characters; then,
with what is left of the vocabulary, common English words take their leading space along and common Chinese
characters join into words.
"""

import argparse
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from cria.chat import CONTROL_TOKENS, MARKUP_TOKENS

SIZE = 5120
JOINED_SHARE = 0.3
PATTERN = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

Pair = tuple[bytes, bytes]


def byte_letters() -> dict[int, str]:
    """GPT-2's visible letter for each byte: printable ones stand for themselves, the rest follow from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    letters.update({byte: chr(256 + index) for index, byte in enumerate(hidden)})
    return letters


LETTERS = byte_letters()


def visible(token: bytes) -> str:
    """A token in GPT-2's letters."""
    return "".join(LETTERS[byte] for byte in token)


def _decoded(token: bytes) -> str | None:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return None


def _begins_one_character(token: bytes) -> bool:
    lead = token[0]
    length = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
    return len(token) < length


def allowed_apart(pair: Pair) -> bool:
    """First round: letters with letters, marks with marks, spaces with spaces, one character otherwise."""
    merged = pair[0] + pair[1]
    text = _decoded(merged)
    if text is None:
        return _begins_one_character(merged)
    if len(text) == 1:
        return True
    letters = text.isascii() and text.isalpha()
    marks = text.isascii() and not any(character.isalnum() for character in text.rstrip("\n"))
    return letters or text.isspace() or (marks and " " not in text)


WORD = re.compile(r" [a-z]+| ?[IA]|[\u4e00-\u9fff]{2,4}|[\u3000-\u303f\uff00-\uffef]{2}| [^\w\s]+")


def allowed_joined(pair: Pair) -> bool:
    """Second round: a space before a word in lower case or before marks, and Chinese words."""
    text = _decoded(pair[0] + pair[1])
    return text is not None and WORD.fullmatch(text) is not None


class Merger:
    """Learns merges on a table of pre-tokens and how often each occurs."""

    def __init__(self, counts: Counter[bytes]) -> None:
        self.words = [[bytes([byte]) for byte in word] for word in counts]
        self.frequencies = list(counts.values())
        self.totals: Counter[Pair] = Counter()
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        for index in range(len(self.words)):
            self._count(index, 1)

    def _count(self, index: int, sign: int) -> None:
        word, frequency = self.words[index], sign * self.frequencies[index]
        for pair in itertools.pairwise(word):
            self.totals[pair] += frequency
            self.places[pair].add(index)

    def _apply(self, pair: Pair) -> None:
        for index in sorted(self.places.pop(pair)):
            self._count(index, -1)
            word, merged, at = self.words[index], [], 0
            while at < len(word):
                if at + 1 < len(word) and (word[at], word[at + 1]) == pair:
                    merged.append(pair[0] + pair[1])
                    at += 2
                else:
                    merged.append(word[at])
                    at += 1
            self.words[index] = merged
            self._count(index, 1)
        del self.totals[pair]

    def learn(self, number: int, allowed: Callable[[Pair], bool], least: int = 8) -> list[Pair]:
        """Up to ``number`` further merges of allowed pairs that occur at least ``least`` times."""
        merges: list[Pair] = []
        verdicts: dict[Pair, bool] = {}
        while len(merges) < number:
            best, count = None, least - 1
            for pair, total in self.totals.items():
                if total > count or (total == count and best is not None and pair < best):
                    if pair not in verdicts:
                        verdicts[pair] = allowed(pair)
                    if verdicts[pair]:
                        best, count = pair, total
            if best is None:
                break
            merges.append(best)
            self._apply(best)
        return merges


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def build(merges: Iterable[Pair]) -> Tokenizer:
    """A tokenizer of the 256 bytes, the merges in order, and the special tokens at the end."""
    pairs = list(merges)
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += list(dict.fromkeys(left + right for left, right in pairs))
    vocabulary = {visible(token): index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[(visible(left), visible(right)) for left, right in pairs])
    )
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in MARKUP_TOKENS])
    return tokenizer


def train(texts: Iterable[str], size: int = SIZE) -> Tokenizer:
    """A tokenizer of at most ``size`` tokens learned from ``texts``, which hold no special tokens."""
    pattern = _pre_tokenizer()
    letters = {letter: byte for byte, letter in LETTERS.items()}
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece, _ in pattern.pre_tokenize_str(text))
    as_bytes = Counter({bytes(letters[letter] for letter in piece): count for piece, count in counts.items()})
    merger = Merger(Counter({piece: count for piece, count in as_bytes.items() if len(piece) > 1}))
    number = size - 256 - len(CONTROL_TOKENS) - len(MARKUP_TOKENS)
    merges = merger.learn(round(number * (1 - JOINED_SHARE)), allowed_apart)
    merges += merger.learn(number - len(merges), allowed_joined)
    return build(merges)


def merges_of(tokenizer: Tokenizer) -> list[str]:
    """The merges in order, each as two visible tokens with a space between."""
    return [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The number of a token that must exist."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return int(found)


def load(path: Path) -> Tokenizer:
    """A tokenizer written before."""
    return Tokenizer.from_file(str(path))


def main() -> None:
    """Cut a text from the command line, to look at."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("text")
    arguments = parser.parse_args()
    encoding = load(arguments.tokenizer).encode(arguments.text)
    print(len(encoding.ids), [load(arguments.tokenizer).decode([i]) for i in encoding.ids])


if __name__ == "__main__":
    main()
