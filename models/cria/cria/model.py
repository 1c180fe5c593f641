"""The network: a Llama decoder (RMSNorm, rotary positions, SwiGLU, tied embeddings) that llama.cpp runs."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cria.rounding import Linear

STRETCH = 128
"""Queries that attend at once under a mask."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network. ``hidden`` and ``width`` are multiples of 32, the block of Q8_0."""

    vocabulary: int
    width: int = 256
    layers: int = 8
    heads: int = 4
    hidden: int = 768
    context: int = 2048
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5

    def as_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return asdict(self)


class Norm(nn.Module):
    """RMSNorm with a gain."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension, computing in 32 bits."""
        wide = x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon)
        normed: Tensor = wide * scale * self.weight
        return normed.to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on (batch, heads, time, size), pairing the first half with the second.

    llama.cpp pairs neighbours instead; ``cria.export`` reorders the rows to match.
    """
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention under a causal mask, a stretch of queries at a time without the keys that come after it.

    On a processor plain products, which the compiler joins with the softmax, take half the time of the fused kernel.
    """
    found = []
    for start in range(0, query.shape[2], STRETCH):
        end = start + STRETCH
        scores = (query[:, :, start:end] @ key[:, :, :end].mT).float() * query.shape[-1] ** -0.5
        scores = scores.masked_fill(~mask[:, :, start:end, :end], float("-inf"))
        found.append(scores.softmax(-1).to(value.dtype) @ value[:, :, :end])
    return torch.cat(found, 2)


class Block(nn.Module):
    """One layer: attention, then the gated feed-forward network."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = Norm(shape.width, shape.norm_epsilon)
        self.qkv = Linear(shape.width, 3 * shape.width, bias=False)
        self.output = Linear(shape.width, shape.width, bias=False)
        self.feed_norm = Norm(shape.width, shape.norm_epsilon)
        self.gate_up = Linear(shape.width, 2 * shape.hidden, bias=False)
        self.down = Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """``mask`` says what each position may see; without one, everything before it."""
        batch, time, width = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, time, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        if mask is None:
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            seen = attend(query, key, value, mask)
        x = x + self.output(seen.transpose(1, 2).reshape(batch, time, width))
        gate, up = self.gate_up(self.feed_norm(x)).chunk(2, dim=-1)
        changed: Tensor = x + self.down(F.silu(gate) * up)
        return changed


class Cria(nn.Module):
    """The whole network; the embedding is also the output matrix."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.norm_epsilon)
        half = shape.width // shape.heads // 2
        rates = shape.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.outer(torch.arange(shape.context, dtype=torch.float64), rates)
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        scale = (2 * self.shape.layers) ** -0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                deep = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 * (scale if deep else 1.0))

    def features(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """The last hidden state of every position of (batch, time) token ids."""
        time = tokens.shape[1]
        x = self.embedding(tokens)
        if torch.is_autocast_enabled(tokens.device.type):
            x = x.to(torch.get_autocast_dtype(tokens.device.type))
        cos, sin = self.cos[:time].to(x.dtype), self.sin[:time].to(x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin, mask)
        normed: Tensor = self.norm(x)
        return normed

    def forward(self, tokens: Tensor) -> Tensor:
        """The scores of every next token, for (batch, time) token ids."""
        return F.linear(self.features(tokens), self.embedding.weight)
