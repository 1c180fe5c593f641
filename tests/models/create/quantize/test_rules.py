"""The type of every tensor of a mix; expectations worked out by hand from llama.cpp's rules."""

import pytest

from puna.models.create.quantize import QuantizeError, find_mix
from puna.models.create.quantize.rules import (
    TypeChooser,
    category,
    fitting,
    may_change,
    sort_key,
    uses_more_bits,
)
from puna.models.gguf_types import TENSOR_TYPES, TensorInfo

F16 = TENSOR_TYPES[1]


def tensor(name: str, shape: tuple[int, ...] = (512, 512)) -> TensorInfo:
    return TensorInfo(name, shape, F16, 0, 0)


def chosen(
    mix: str,
    part: str,
    *,
    layers: int = 32,
    gqa: int = 1,
    experts: int = 0,
    architecture: str = "llama",
    is_70b: bool = False,
) -> list[str]:
    chooser = TypeChooser(
        mix=find_mix(mix),
        architecture=architecture,
        layers=layers,
        experts=experts,
        gqa=gqa,
        is_70b=is_70b,
        tied=False,
        values=layers,
    )
    return [chooser.choose(tensor(f"blk.{number}.{part}.weight")) for number in range(layers)]


def lifted(types: list[str], to: str) -> list[int]:
    return [number for number, kind in enumerate(types) if kind == to]


def test_more_bits_go_to_the_edges_and_every_third_layer() -> None:
    assert [layer for layer in range(16) if uses_more_bits(layer, 16)] == [0, 1, 4, 7, 10, 13, 14, 15]


def test_values_and_downs_of_the_usual_mixes() -> None:
    more = [layer for layer in range(32) if uses_more_bits(layer, 32)]
    for part in ("attn_v", "ffn_down", "attn_qkv"):
        assert lifted(chosen("q4_K_M", part), "Q6_K") == more
        assert lifted(chosen("q5_K_M", part), "Q6_K") == more
    assert lifted(chosen("q4_K_S", "attn_v"), "Q5_K") == [0, 1, 2, 3]
    assert lifted(chosen("q4_K_S", "ffn_down"), "Q5_K") == [0, 1, 2, 3]
    assert lifted(chosen("q3_K_M", "attn_v"), "Q5_K") == [0, 1]
    assert lifted(chosen("q3_K_M", "ffn_down"), "Q5_K") == [0, 1]
    assert set(chosen("q3_K_M", "attn_output")) == {"Q4_K"}
    assert set(chosen("q3_K_L", "attn_v")) == set(chosen("q3_K_L", "attn_output")) == {"Q5_K"}
    assert set(chosen("q2_K", "attn_v")) == {"Q3_K"}
    assert set(chosen("q2_K", "attn_v", gqa=4)) == {"Q4_K"}
    assert lifted(chosen("iq4_xs", "ffn_down"), "Q5_K") == [0, 1, 2, 3]
    assert set(chosen("iq4_nl", "attn_v", gqa=4)) == {"Q5_K"}
    assert set(chosen("iq4_nl", "attn_v", gqa=2)) == {"IQ4_NL"}
    for name, part in (("q4_0", "attn_v"), ("q8_0", "ffn_down"), ("q6_K", "attn_v"), ("q4_K_M", "ffn_up")):
        assert set(chosen(name, part)) == {find_mix(name).base}


def test_models_of_a_special_shape() -> None:
    assert set(chosen("q4_K_M", "attn_v", experts=8)) == {"Q8_0"}
    assert set(chosen("q4_K_M", "attn_k", experts=8)) == {"Q8_0"}
    assert set(chosen("q4_K_M", "attn_output", experts=8)) == {"Q5_K"}
    assert "Q4_K" not in chosen("q4_K_M", "attn_v", layers=80, is_70b=True)
    assert chosen("q4_K_M", "ffn_down", architecture="falcon").count("Q6_K") == 2


def test_experts_are_counted_by_their_name() -> None:
    chooser = TypeChooser(find_mix("q4_K_S"), "llama", 16, 4, 1, False, False, 16)
    assert chooser.choose(tensor("blk.15.ffn_down_exps.weight")) == "Q4_K"
    assert chooser.choose(tensor("blk.1.ffn_down_exps.weight")) == "Q5_K"
    with pytest.raises(QuantizeError, match="none of the 16 layers"):
        chooser.choose(tensor("blk.16.ffn_down_exps.weight"))


@pytest.mark.parametrize(
    ("mix", "tied", "output", "embedding"),
    [
        ("q4_K_M", False, "Q6_K", "Q4_K"),
        ("q4_K_M", True, None, "Q6_K"),
        ("q8_0", True, None, "Q8_0"),
        ("tq2_0", False, "Q6_K", "Q4_K"),
        ("f16", False, "F16", "F16"),
    ],
)
def test_output_and_embeddings(mix: str, tied: bool, output: str | None, embedding: str) -> None:
    chooser = TypeChooser(find_mix(mix), "llama", 2, 0, 1, False, tied, 2)
    assert chooser.choose(tensor("token_embd.weight")) == embedding
    if output is not None:
        assert chooser.choose(tensor("output.weight")) == output


@pytest.mark.parametrize(
    "name",
    [
        "blk.0.attn_norm.weight",
        "blk.0.attn_q.bias",
        "blk.0.ffn_gate_inp.weight",
        "position_embd.weight",
        "token_types.weight",
        "blk.3.time_mix_w2.weight",
        "blk.0.ssm_conv1d.weight",
    ],
)
def test_small_tensors_keep_their_type(name: str) -> None:
    assert not may_change(tensor(name))


def test_vectors_keep_their_type() -> None:
    assert not may_change(tensor("x.weight", (512,)))
    assert not may_change(tensor("x.weight", (512, 1)))
    assert may_change(tensor("x.weight", (512, 1, 2)))


@pytest.mark.parametrize(
    ("kind", "width", "wanted"),
    [
        ("Q4_K", 512, "Q4_K"),
        ("Q4_K", 96, "Q5_0"),
        ("Q5_K", 96, "Q5_1"),
        ("Q6_K", 96, "Q8_0"),
        ("Q3_K", 96, "Q4_0"),
        ("IQ4_XS", 96, "IQ4_NL"),
        ("Q4_K", 40, "F16"),
        ("Q8_0", 40, "F16"),
    ],
)
def test_rows_that_do_not_fill_a_block(kind: str, width: int, wanted: str) -> None:
    assert fitting(kind, tensor("x.weight", (width, 8))) == wanted


def test_order_of_tensors() -> None:
    names = ["blk.10.b", "output.weight", "blk.2.z", "blk.2.a", "token_embd.weight", "blkx"]
    wanted = ["blkx", "output.weight", "token_embd.weight", "blk.2.a", "blk.2.z", "blk.10.b"]
    assert sorted(names, key=sort_key) == wanted


def test_roles() -> None:
    assert category("blk.0.attn_v.weight") == category("blk.0.attn_qkv.weight") == "attn_v"
    assert category("blk.0.ffn_gate_exps.weight") == "ffn_gate"
    assert category("blk.0.something.weight") == "other"


def test_names_of_mixes() -> None:
    assert find_mix("q4_k").name == find_mix("Q4_K_M").name == "Q4_K_M"
    with pytest.raises(QuantizeError, match="needs an importance matrix"):
        find_mix("iq2_xxs")
    with pytest.raises(QuantizeError, match="unknown quantisation 'q7'"):
        find_mix("q7")
