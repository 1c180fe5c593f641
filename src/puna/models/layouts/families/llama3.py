"""Llama 3's vocabulary, in files that do not name its pre-tokenizer or end answers with the end of a text."""

from puna.models.gguf import GGUFFile
from puna.models.gguf_types import GGUFArray, ValueType
from puna.models.layouts.edit import Edit
from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import pretokenizer
from puna.models.layouts.values import i32s

_END_OF_TEXT, _START_OF_HEADER, _END_OF_TURN = 128_001, 128_006, 128_009
_TOKENS, _EOS = "tokenizer.ggml.tokens", "tokenizer.ggml.eos_token_id"


def _vocabulary(gguf: GGUFFile) -> list[str]:
    tokens = gguf.metadata.get(_TOKENS)
    is_large = isinstance(tokens, GGUFArray) and tokens.element_type == ValueType.STRING
    return [str(token) for token in tokens.load()] if is_large and len(tokens) > _END_OF_TURN else []  # type: ignore[union-attr,arg-type]


def _gap(gguf: GGUFFile) -> bool:
    unsaid = gguf.metadata.get("tokenizer.ggml.pre") in (None, "", "default")
    if not unsaid and gguf.whole(_EOS) != _END_OF_TEXT:
        return False  # most files, whose vocabularies are then not read
    tokens = _vocabulary(gguf)
    if not tokens or tokens[_END_OF_TURN] != "<|eot_id|>" or tokens[_START_OF_HEADER] != "<|start_header_id|>":
        return False
    return unsaid or tokens[_END_OF_TEXT] == "<|end_of_text|>"


def _ends(edit: Edit) -> None:
    """End answers with the end of a turn, but not those of distillations with an end of their own in its place."""
    if edit.array(_TOKENS)[_END_OF_TEXT] != "<|end_of_text|>":
        return
    for name in (_EOS, "tokenizer.ggml.eot_token_id"):
        if edit.whole(name) in (None, _END_OF_TEXT):
            edit.set(name, _END_OF_TURN)
    edit.set("tokenizer.ggml.eos_token_ids", i32s(_END_OF_TURN))


LAYOUT = Layout(name="llama3", architectures=("llama",), marked=_gap, text=(pretokenizer("llama-bpe"), _ends))
