"""Tokenizers of checkpoints: how they are recognised and what of them is written."""

import json
import struct
from pathlib import Path
from typing import Any

import gguf
import pytest

from puna.models.create.convert.config import Config
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.tokenizers.bpe import prepends_space, read_bpe
from puna.models.create.convert.tokenizers.pretokenizer import pretokenizer_name
from puna.models.create.convert.tokenizers.sentencepiece import read_sentencepiece
from puna.models.create.convert.tokenizers.special import read_special_tokens
from puna.models.create.convert.tokenizers.wordpiece import read_wordpiece

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
    r"|\s+(?!\S)|\s+"
)
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}


def split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


@pytest.mark.parametrize(
    ("definition", "whole_words", "name"),
    [
        (sequence(split(LLAMA3), LEVEL), True, "llama-bpe"),
        (sequence(split(LLAMA3), LEVEL), False, "dbrx"),
        (sequence(split(CL100K, "Removed", True), LEVEL), False, "dbrx"),
        (sequence(split(LLAMA3.replace("{1,3}", "")), LEVEL), False, "qwen2"),
        ({**LEVEL, "use_regex": True}, False, "gpt-2"),
        (
            sequence({"type": "Digits", "individual_digits": True}, {**LEVEL, "use_regex": True}),
            False,
            "smollm",
        ),
        (sequence(split(r"\p{N}"), {**LEVEL, "use_regex": True}), False, "smollm"),
    ],
)
def test_known_pretokenizers(definition: Any, whole_words: bool, name: str) -> None:
    assert pretokenizer_name({"pre_tokenizer": definition, "model": {"ignore_merges": whole_words}}) == name


@pytest.mark.parametrize(
    "definition",
    [
        None,
        {"type": "Whitespace"},
        sequence(split(LLAMA3, "MergedWithNext"), LEVEL),
        sequence(split(LLAMA3.replace("{1,3}", "{1,4}")), LEVEL),
        {**LEVEL, "add_prefix_space": True},
        {"type": "Sequence", "pretokenizers": "none"},
        {"type": "Split"},
    ],
)
def test_unknown_pretokenizers_are_refused(definition: Any) -> None:
    with pytest.raises(ConvertError, match="no known pre-tokenizer"):
        pretokenizer_name({"pre_tokenizer": definition})


def piece(text: str, score: float = 0.0, kind: int = 1) -> bytes:
    raw = text.encode()
    body = b"\x0a" + bytes([len(raw)]) + raw + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind])
    return b"\x0a" + bytes([len(body)]) + body


BPE_TRAINER = b"\x12\x02\x18\x02"
NO_PREFIX = b"\x1a\x02\x18\x00"
PIECES = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("<0x0A>", 0, 6) + piece("▁a", -1.5) + piece("b", -2)


def test_sentencepiece_models(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(PIECES + BPE_TRAINER)
    config = {"added_tokens_decoder": {"5": {"content": "<extra>", "special": True}}}
    vocabulary = read_sentencepiece(path, {}, config, 7)
    assert vocabulary.tokens == ["<unk>", "<s>", "<0x0A>", "▁a", "b", "<extra>", "[PAD6]"]
    assert vocabulary.types == [2, 3, 6, 1, 1, 3, 5]
    assert vocabulary.scores == [0, 0, 0, -1.5, -2, -1000, -10_000]
    assert vocabulary.flags == {"add_space_prefix": True}
    path.write_bytes(PIECES + BPE_TRAINER + NO_PREFIX)
    assert read_sentencepiece(path, {}, {}, 7).flags == {"add_space_prefix": False}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PIECES, "not a BPE model"),
        (BPE_TRAINER, "has 0 tokens"),
        (PIECES[:-1] + BPE_TRAINER, "damaged"),
        (b"\xff" * 40, "damaged"),
        (b"\x0b", "damaged"),
        (piece("x", kind=9) + BPE_TRAINER, "damaged"),
    ],
)
def test_damaged_sentencepiece_models(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(data)
    with pytest.raises(ConvertError, match=message):
        read_sentencepiece(path, {}, {}, 8)


def test_scores_stand_for_the_order_of_merges() -> None:
    model = {
        "type": "BPE",
        "byte_fallback": True,
        "unk_token": "<unk>",
        "vocab": {"<unk>": 0, "<0x00>": 1, "a": 2, "b": 3, "ab": 4, "▁ab": 5},
        "merges": ["a b", "▁ ab", "▁a b"],
    }
    vocabulary = read_bpe({"model": model, "normalizer": {"type": "Replace"}}, {}, 6)
    assert (vocabulary.model, vocabulary.types) == ("llama", [2, 6, 1, 1, 1, 1])
    assert vocabulary.scores is not None
    assert vocabulary.scores[4] > vocabulary.scores[5] > vocabulary.scores[2]


@pytest.mark.parametrize(
    ("tokenizer", "wanted"),
    [
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend"}, {"type": "Replace"}]}},
            True,
        ),
        ({"normalizer": {"type": "Replace"}}, False),
        ({"pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "first"}}, True),
        ({"pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "never"}}, False),
        ({"pre_tokenizer": {"type": "Metaspace", "add_prefix_space": False}}, False),
    ],
)
def test_whether_a_space_is_put_before_the_text(tokenizer: Any, wanted: bool) -> None:
    assert prepends_space(tokenizer) is wanted


def test_word_pieces_carry_the_mark_of_a_word(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\nword\n##piece\n")
    vocabulary = read_wordpiece(tmp_path, {}, {"do_lower_case": False}, 5)
    assert vocabulary.tokens == ["[PAD]", "[UNK]", "▁word", "piece", "[PAD4]"]
    assert vocabulary.types == [3, 3, 1, 1, 5]
    assert vocabulary.flags == {"normalizer.lowercase": False, "normalizer.strip_accents": False}
    accents = {"normalizer": {"lowercase": True, "strip_accents": False}}
    assert read_wordpiece(tmp_path, accents, {}, 5).flags["normalizer.strip_accents"] is False
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(ConvertError, match="WordPiece vocabulary"):
        read_wordpiece(tmp_path, {}, {}, 5)


def template(*items: str) -> dict[str, Any]:
    single = [{"Sequence": {"id": "A"}} if item == "A" else {"SpecialToken": {"id": item}} for item in items]
    return {"type": "TemplateProcessing", "single": single}


@pytest.mark.parametrize(
    ("processor", "config", "bos", "eos"),
    [
        (None, {}, False, False),
        (template("<s>", "A"), {}, True, False),
        (template("<s>", "A", "</s>"), {}, True, True),
        ({"type": "Sequence", "processors": [{"type": "ByteLevel"}, template("<s>", "A")]}, {}, True, False),
        (template("<s>", "A"), {"add_bos_token": False}, False, False),
        (None, {"add_bos_token": True, "add_eos_token": True}, True, True),
    ],
)
def test_tokens_at_the_edges(processor: Any, config: Any, bos: bool, eos: bool, tmp_path: Path) -> None:
    tokenizer = {"model": {"vocab": {"<s>": 1, "</s>": 2}}, "post_processor": processor}
    special = read_special_tokens(tmp_path, tokenizer, config, Config({"eos_token_id": 2}), 5)
    assert special.added == {"bos": bos, "eos": eos}
    assert special.ids["eos"] == 2


def test_special_tokens_outside_the_vocabulary_are_left_out(tmp_path: Path) -> None:
    model = Config({"bos_token_id": 99, "eos_token_id": [3, 99, 4], "pad_token_id": True})
    special = read_special_tokens(tmp_path, {}, {}, model, 5)
    assert special.ids == {"eos": 3, "eot": 4}


def test_chat_templates(tmp_path: Path) -> None:
    def found(config: Any) -> str | None:
        return read_special_tokens(tmp_path, {}, config, Config({}), 5).chat_template

    assert found({}) is None
    assert found({"chat_template": "one"}) == "one"
    several = [{"name": "tools", "template": "two"}, {"name": "default", "template": "three"}]
    assert found({"chat_template": several}) == "three"
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": "four"}))
    assert found({}) == "four"
    (tmp_path / "chat_template.jinja").write_text("five")
    assert found({"chat_template": "one"}) == "five"


def test_keys_are_those_of_the_gguf_package() -> None:
    from puna.models.create.convert.tokenizers.special import gguf_key

    keys = gguf.Keys.Tokenizer
    wanted = {
        "bos": keys.BOS_ID,
        "unk": keys.UNK_ID,
        "sep": keys.SEP_ID,
        "pad": keys.PAD_ID,
        "eot": keys.EOT_ID,
    }
    assert {kind: gguf_key(kind) for kind in wanted} == wanted
