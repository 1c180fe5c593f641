"""What the network computes; skipped where the training extra is not installed."""

import pytest

torch = pytest.importorskip("torch")

from cria import model


@pytest.mark.parametrize("length", [5, 8, 11])
def test_attention_in_stretches_is_attention_at_once(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(model, "STRETCH", 4)
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, length, 16) for _ in range(3))
    segment = (torch.arange(length) // 3).expand(2, length)
    mask = (segment[:, :, None] == segment[:, None, :]).tril().unsqueeze(1)
    whole = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert torch.allclose(model.attend(query, key, value, mask), whole, atol=1e-5)
