"""Chooses the type of every tensor of a mix, as llama.cpp does.

The rules are those of ``llama_tensor_get_type`` and its helpers in ``src/llama-quant.cpp`` (as in September
2026), without importance matrices. What they do depends on the order of the tensors, which is ``sort_key``'s.
"""

import re
from dataclasses import dataclass

from puna.models.create.quantize.errors import QuantizeError
from puna.models.create.quantize.mixes import TYPES, Mix
from puna.models.gguf import GGUFFile
from puna.models.gguf_types import TensorInfo

_BLOCK = re.compile(r"blk\.([+-]?\d+)\.")
_EXPERT_MODEL = 8
_QUANTISED_EXCEPTIONS = ("F32", "F16", "BF16")
_CATEGORIES = (
    ("attn_qkv.weight", "attn_v"),  # both of these weigh as much as the values in them
    ("attn_kv_b.weight", "attn_v"),
    ("attn_v.weight", "attn_v"),
    ("attn_k.weight", "attn_k"),
    ("attn_q.weight", "attn_q"),
    ("attn_output.weight", "attn_output"),
    ("ffn_up", "ffn_up"),
    ("ffn_gate", "ffn_gate"),
    ("ffn_down", "ffn_down"),
)
# Small or delicate tensors that keep their type: gates of experts, convolutions of state-space models, the
# small matrices of RWKV, tables of positions, the first layers of image and audio encoders.
_KEPT = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_first.weight",
    *(f"time_mix_{letter}{digit}.weight" for letter in "wva" for digit in "012"),
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
)
_KEPT_NAMES = ("position_embd.weight", "token_types.weight")
_FALLBACKS = {
    "IQ3_S": "IQ4_NL",
    "IQ4_XS": "IQ4_NL",
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "TQ1_0": "Q4_0",
    "TQ2_0": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
_OUTPUT_OF_EXPERTS = ("Q2_K", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_XS")
_ATTENTION_OUTPUT = {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}


def sort_key(name: str) -> tuple[int, bytes]:
    """llama.cpp's order of tensors: those of no block first, then block by block, each by name."""
    match = _BLOCK.match(name)
    return (int(match[1]) if match else -1, name.encode())


def category(name: str) -> str:
    """The role of a tensor, as far as the rules tell roles apart."""
    if name == "output.weight":
        return "output"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "token_embd"
    return next((role for part, role in _CATEGORIES if part in name), "other")


def may_change(tensor: TensorInfo) -> bool:
    """Whether a tensor's type is changed at all: matrices named weight, with exceptions."""
    matrix = any(size > 1 for size in tensor.shape[1:])
    kept = tensor.name in _KEPT_NAMES or any(part in tensor.name for part in _KEPT)
    return matrix and tensor.name.endswith("weight") and not kept


def uses_more_bits(layer: int, layers: int) -> bool:
    """The first and last eighth of the layers, and every third between, suffer most from few bits."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


@dataclass(slots=True)
class TypeChooser:
    """Walks the tensors of one model in order and chooses their types for one mix."""

    mix: Mix
    architecture: str
    layers: int
    experts: int
    gqa: int
    is_70b: bool
    tied: bool
    values: int
    values_seen: int = 0
    downs_seen: int = 0

    @classmethod
    def for_model(cls, mix: Mix, model: GGUFFile, tensors: list[TensorInfo]) -> "TypeChooser":
        """A chooser for ``tensors``, of which ``model`` has the metadata."""
        heads, kv_heads = (max(counts[:1], default=0) for counts in (model.head_counts, model.head_counts_kv))
        layers = model.block_count or 0
        roles = [category(tensor.name) for tensor in tensors]
        return cls(
            mix=mix,
            architecture=model.architecture,
            layers=layers,
            experts=model.whole(f"{model.architecture}.expert_count") or 0,
            gqa=heads // kv_heads if kv_heads else 0,
            is_70b=_is_70b(model.architecture, layers, heads, kv_heads),
            tied="output" not in roles,
            values=roles.count("attn_v"),
        )

    def choose(self, tensor: TensorInfo) -> str:
        """The name of the type for the next tensor."""
        if not may_change(tensor):
            return tensor.type.name
        chosen = self.mix.base
        if chosen in _QUANTISED_EXCEPTIONS:
            return chosen
        role = category(tensor.name)
        if role == "output" or (role == "token_embd" and self.tied):
            chosen = self._output(tensor)
        elif role == "token_embd":
            chosen = "Q4_K" if self.mix.name in ("TQ1_0", "TQ2_0") else chosen
        elif role == "attn_v":
            chosen = self._values()
        elif role == "attn_k":
            chosen = "Q8_0" if self.experts == _EXPERT_MODEL else chosen
        elif role == "ffn_down":
            chosen = self._down(tensor.name)
        elif role == "attn_output":
            chosen = self._attention_output()
        return fitting(chosen, tensor)

    def _output(self, tensor: TensorInfo) -> str:
        base = self.mix.base
        if self.architecture == "falcon" or tensor.shape[0] % TYPES[base].block_size:
            return "Q8_0"
        return base if base == "Q8_0" else "Q6_K"

    def _values(self) -> str:
        seen, name = self.values_seen, self.mix.name
        self.values_seen += 1
        chosen = self.mix.base
        shared = self.gqa >= 4
        if name == "Q2_K":
            chosen = "Q4_K" if shared else "Q3_K"
        elif (name == "IQ3_S" and shared) or name == "IQ3_M":
            chosen = "Q4_K"
        elif name == "Q3_K_M":
            chosen = "Q5_K" if seen < 2 else "Q4_K"
        elif name == "Q3_K_L" or (name in ("IQ4_NL", "IQ4_XS") and shared) or (name == "Q4_K_S" and seen < 4):
            chosen = "Q5_K"
        elif name in ("Q4_K_M", "Q5_K_M") and uses_more_bits(seen, self.values):
            chosen = "Q6_K"
        if self.is_70b and chosen in ("Q3_K", "Q4_K"):
            chosen = "Q5_K"
        return "Q8_0" if self.experts == _EXPERT_MODEL else chosen

    def _down(self, tensor_name: str) -> str:
        layer, name = self._layer(tensor_name), self.mix.name
        falcon = self.architecture == "falcon"
        early, more = layer < self.layers // 8, uses_more_bits(layer, self.layers)
        if name == "Q2_K":
            return "Q3_K"
        if name == "Q3_K_M":
            return "Q5_K" if layer < self.layers // 16 else "Q3_K" if falcon and not more else "Q4_K"
        if name == "IQ3_M" and (early or (self.experts == _EXPERT_MODEL and more)):
            return "Q4_K"
        if name == "Q3_K_L":
            return "Q4_K" if falcon else "Q5_K"
        if name == "Q4_K_M" and falcon:
            return "Q6_K" if layer < self.layers // 16 else "Q5_K" if more else "Q4_K"
        if name in ("Q4_K_M", "Q5_K_M") and more:
            return "Q6_K"
        if early and (name in ("IQ4_NL", "IQ4_XS") or (name == "Q4_K_S" and not falcon)):
            return "Q5_K"
        return self.mix.base

    def _layer(self, tensor_name: str) -> int:
        """The place of a matrix among its like; experts come in any order, so theirs is in the name."""
        seen = self.downs_seen
        self.downs_seen += 1
        if self.experts <= 1:
            return seen
        layer = sort_key(tensor_name)[0]
        if not 0 <= layer < self.layers:
            raise QuantizeError(f"tensor {tensor_name!r} belongs to none of the {self.layers} layers")
        return layer

    def _attention_output(self) -> str:
        name = self.mix.name
        if self.architecture == "falcon":
            return "Q4_K" if name == "Q3_K_L" else self.mix.base
        if self.experts == _EXPERT_MODEL:
            return "Q5_K" if name in _OUTPUT_OF_EXPERTS else self.mix.base
        return _ATTENTION_OUTPUT.get(name, self.mix.base)


def fitting(chosen: str, tensor: TensorInfo) -> str:
    """``chosen``, or a type of smaller blocks where the rows do not fill those of ``chosen``."""
    width = tensor.shape[0]
    if width % TYPES[chosen].block_size == 0:
        return chosen
    smaller = _FALLBACKS.get(chosen, chosen)
    return smaller if width % TYPES[smaller].block_size == 0 else "F16"


def _is_70b(architecture: str, layers: int, heads: int, kv_heads: int) -> bool:
    """The shapes that llama.cpp takes for a 70B model, whose values are shared by eight heads."""
    if architecture == "llama":
        return layers == 80 and heads != kv_heads
    return (architecture, layers) in (("qwen2", 80), ("deci", 80), ("olmo", 80), ("jais2", 68))
