"""Snowflake Arctic Embed 2: a BERT with a vocabulary by SentencePiece, whose table of characters is what differs."""

import base64
import io
import random
from typing import Any

from tests.system import require_module
from tests.twins.files import HEADS, INNER, WIDTH, Keys, Shapes, Twin, in_block, norms

from puna.models.create.convert.tokenizers.sentencepiece import message_fields

_WORDS = """
    the sky is blue and a llama eats green grass in time for tea with friends of 10 or 21 llamas
""".split()  # noqa: SIM905
_TABLE = "tokenizer.ggml.precompiled_charsmap"
_BLOCKS = 2
_NORMALIZER, _CHARACTERS = 3, 2
"""Fields of ``sentencepiece_model.proto``."""


def trained() -> bytes:
    """Return a model of SentencePiece that was trained on a few words, with the table of characters of real ones."""
    draw, made = random.Random(1), io.BytesIO()
    texts = [" ".join(draw.choices(_WORDS, k=8)) for _ in range(200)]
    ids = {"bos_id": 0, "pad_id": 1, "eos_id": 2, "unk_id": 3}
    require_module("sentencepiece").SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=made,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        vocab_size=80,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **ids,
    )
    return made.getvalue()


def snowflake(model: bytes) -> Twin:
    """Return the twin with the vocabulary of a model of SentencePiece."""
    pieces: Any = require_module("sentencepiece").SentencePieceProcessor(model_proto=model)
    ids = range(pieces.get_piece_size())
    spoken: Keys = {
        "model": "t5",
        "pre": "default",
        "tokens": [pieces.id_to_piece(token) for token in ids],
        "scores": [float(pieces.get_score(token)) for token in ids],
        "token_type": [2 if pieces.is_unknown(token) else 3 if pieces.is_control(token) else 1 for token in ids],
        "add_space_prefix": True,
        "remove_extra_whitespaces": True,
        "add_bos_token": True,
        "add_eos_token": True,
        "token_type_count": 1,
    } | {f"{name}_token_id": token for name, token in _SPECIAL.items()}
    text: Shapes = {"position_embd": (512, WIDTH), "token_types": (1, WIDTH)} | _with_biases(norms("token_embd_norm"))
    for block in range(_BLOCKS):
        inside: Shapes = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
        inside |= {"ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)} | norms(
            "attn_output_norm", "layer_output_norm"
        )
        text |= in_block(block, _with_biases(inside))
    table = _table(model)
    return Twin(
        architecture="bert",
        keys={
            ".context_length": 512,
            ".embedding_length": WIDTH,
            ".block_count": _BLOCKS,
            ".feed_forward_length": INNER,
            ".attention.head_count": HEADS,
            ".attention.layer_norm_epsilon": 1e-5,
            ".attention.causal": False,
            ".pooling_type": 2,
        },
        text=text,
        ends={"token_embd": (0, WIDTH)},
        spoken={f"tokenizer.ggml.{name}": value for name, value in spoken.items()},
        old={_TABLE: list(base64.b64encode(table).decode())},
        new={_TABLE: table},
    )


_SPECIAL = {"bos": 0, "padding": 1, "eos": 2, "seperator": 2, "unknown": 3}


def _with_biases(shapes: Shapes) -> Shapes:
    return shapes | {f"{name}.bias": shape[:1] for name, shape in shapes.items()}


def _table(model: bytes) -> bytes:
    normalizer = next(data for field, data in message_fields(model) if field == _NORMALIZER)
    assert isinstance(normalizer, bytes)
    table = next(data for field, data in message_fields(normalizer) if field == _CHARACTERS)
    assert isinstance(table, bytes)
    return table
