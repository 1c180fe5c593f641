"""The mixes that a model can be quantised to: their names, numbers and main tensor types.

Numbers and main types are those of ``llama_ftype`` and ``llama_ftype_get_default_type`` of llama.cpp. Mixes
that need an importance matrix for some of their tensors are not among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from puna.models.create.quantize.errors import QuantizeError
from puna.models.gguf_types import TENSOR_TYPES, TensorType


@dataclass(frozen=True, slots=True)
class Mix:
    """``number`` is written as ``general.file_type``.

    ``base`` is the type of tensors that no rule lifts out.
    """

    name: str
    number: int
    base: str


MIXES: Mapping[str, Mix] = {
    name: Mix(name, number, base)
    for name, number, base in (
        ("F32", 0, "F32"),
        ("F16", 1, "F16"),
        ("Q4_0", 2, "Q4_0"),
        ("Q4_1", 3, "Q4_1"),
        ("Q8_0", 7, "Q8_0"),
        ("Q5_0", 8, "Q5_0"),
        ("Q5_1", 9, "Q5_1"),
        ("Q2_K", 10, "Q2_K"),
        ("Q3_K_S", 11, "Q3_K"),
        ("Q3_K_M", 12, "Q3_K"),
        ("Q3_K_L", 13, "Q3_K"),
        ("Q4_K_S", 14, "Q4_K"),
        ("Q4_K_M", 15, "Q4_K"),
        ("Q5_K_S", 16, "Q5_K"),
        ("Q5_K_M", 17, "Q5_K"),
        ("Q6_K", 18, "Q6_K"),
        ("IQ4_NL", 25, "IQ4_NL"),
        ("IQ3_S", 26, "IQ3_S"),
        ("IQ3_M", 27, "IQ3_S"),
        ("IQ4_XS", 30, "IQ4_XS"),
        ("BF16", 32, "BF16"),
        ("TQ1_0", 36, "TQ1_0"),
        ("TQ2_0", 37, "TQ2_0"),
    )
}
_ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
_NEED_IMPORTANCE = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S")

TYPES: Mapping[str, TensorType] = {kind.name: kind for kind in TENSOR_TYPES.values()}


def find_mix(name: str) -> Mix:
    """The mix of this name, in any case. Raises :class:`QuantizeError` with the names that there are."""
    wanted = name.upper()
    wanted = _ALIASES.get(wanted, wanted)
    if wanted in _NEED_IMPORTANCE:
        raise QuantizeError(f"quantisation {name!r} needs an importance matrix, which is not supported")
    if wanted not in MIXES:
        raise QuantizeError(f"unknown quantisation {name!r:.80}; there are {', '.join(MIXES)}")
    return MIXES[wanted]
