"""Going on from an exported file; skipped where the training extra is not installed."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gguf")

from cria import average, export, start, tokenizer
from cria.model import Cria, Shape


def test_a_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    cut = tokenizer.train(["the quick brown fox 北京"] * 20, size=400)
    model = Cria(Shape(cut.get_vocab_size(), width=64, layers=2, heads=2, hidden=96, context=512))
    first, again = tmp_path / "first.gguf", tmp_path / "again.gguf"
    export.write(model, cut, first, "Q8_0")
    read = start.read_network(first)
    assert read.shape.as_dict() == pytest.approx(model.shape.as_dict())
    for name, parameter in model.named_parameters():
        assert torch.allclose(read.get_parameter(name), parameter, atol=2e-3), name
    export.write(read, start.read_tokenizer(first), again, "Q8_0")
    assert again.read_bytes() == first.read_bytes()
    wider = start.read_network(first, {"context": 1024, "rope_base": 5e4})
    assert wider.shape.as_dict() == {**read.shape.as_dict(), "context": 1024, "rope_base": 5e4}
    assert wider.cos.shape[0] == 1024
    assert torch.equal(wider.embedding.weight, read.embedding.weight)


def test_a_file_with_another_vocabulary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tokenizer.train(["the quick brown fox"] * 20, size=300)
    export.write(Cria(Shape(cut.get_vocab_size(), width=32, layers=1, heads=1, hidden=32)), cut, tmp_path / "a.gguf")
    monkeypatch.setattr(tokenizer, "MARKUP_TOKENS", ())
    with pytest.raises(ValueError, match="another vocabulary"):
        start.read_tokenizer(tmp_path / "a.gguf")


def test_the_mean_of_files_is_that_of_their_weights(tmp_path: Path) -> None:
    cut = tokenizer.train(["the quick brown fox"] * 20, size=300)
    shape = Shape(cut.get_vocab_size(), width=32, layers=1, heads=1, hidden=32)
    networks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        networks.append(Cria(shape))
        export.write(networks[-1], cut, tmp_path / f"{seed}.gguf", "F16")
    made = average.mean([tmp_path / "1.gguf", tmp_path / "2.gguf"])
    for name, parameter in made.named_parameters():
        expected = (networks[0].get_parameter(name) + networks[1].get_parameter(name)) / 2
        assert torch.allclose(parameter, expected, atol=1e-3), name
    export.write(Cria(Shape(cut.get_vocab_size(), width=64, layers=1, heads=1, hidden=32)), cut, tmp_path / "3.gguf")
    with pytest.raises(ValueError, match="different shapes"):
        average.mean([tmp_path / "1.gguf", tmp_path / "3.gguf"])
