"""Training under rounding: the network sees what the file will hold."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")

from cria import export, tokenizer
from cria.model import Cria, Shape
from cria.rounding import rounded, set_rounding

SMALL = Shape(300, width=64, layers=2, heads=2, hidden=96, context=64)


def test_rounding_is_that_of_the_file() -> None:
    torch.manual_seed(0)
    weight = torch.randn(48, 64)
    weight[3, :32] = 0
    kind = gguf.GGMLQuantizationType.Q4_0
    expected = gguf.dequantize(gguf.quants.quantize(weight.numpy(), kind), kind)
    assert torch.equal(rounded(weight), torch.from_numpy(expected))


def test_rounding_can_be_switched_and_lets_gradients_through() -> None:
    torch.manual_seed(0)
    model, tokens = Cria(SMALL), torch.arange(20).view(1, 20)
    plain = model(tokens)
    set_rounding(model, True)
    assert not torch.allclose(model(tokens), plain)
    model(tokens).sum().backward()
    gradients = [parameter.grad for name, parameter in model.named_parameters() if name.endswith("qkv.weight")]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
    set_rounding(model, False)
    assert torch.equal(model(tokens), plain)


def test_a_file_of_four_bits_keeps_its_embedding_in_eight(tmp_path: Path) -> None:
    cut = tokenizer.train(["the quick brown fox"] * 5, size=300)
    model = Cria(Shape(cut.get_vocab_size(), width=64, layers=2, heads=2, hidden=96, context=64))
    export.write(model, cut, tmp_path / "four.gguf", "Q4_0")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(tmp_path / "four.gguf").tensors}
    assert kinds["token_embd.weight"] == "Q8_0"
    assert kinds["blk.0.attn_q.weight"] == kinds["blk.1.ffn_down.weight"] == "Q4_0"
    assert kinds["output_norm.weight"] == "F32"
