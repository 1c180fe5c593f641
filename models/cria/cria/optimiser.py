"""Muon for the matrices of the blocks, AdamW for the embedding and the norms.

Muon (Keller Jordan, 2024) replaces a matrix's momentum by the nearest matrix with orthonormal rows or
columns, found by a Newton-Schulz iteration. Fused matrices are split so that each part counts as its own.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cria.model import Cria

PARTS = {"qkv": 3, "gate_up": 2}
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(stack: Tensor, rounds: int = 5) -> Tensor:
    """Each matrix of a (n, rows, columns) stack with its singular values brought near 1; rows <= columns."""
    a, b, c = COEFFICIENTS
    half = stack.bfloat16()
    x: Tensor = half / (half.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon:
    """Nesterov momentum, orthogonalised, on matrices grouped by shape so that each group is one batched product."""

    def __init__(self, named: Sequence[tuple[str, nn.Parameter]], momentum: float = 0.95) -> None:
        self.momentum = momentum
        self.parameters = [parameter for _, parameter in named]
        self.parts = [PARTS.get(name.split(".")[-2], 1) for name, _ in named]
        self.buffers = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self, rate: float, decay: float) -> None:
        """One update from the gradients; ``rate`` is the spectral size of the step."""
        groups: defaultdict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter, buffer, parts in zip(self.parameters, self.buffers, self.parts, strict=True):
            gradient = parameter.grad
            if gradient is None:
                continue
            buffer.lerp_(gradient, 1 - self.momentum)
            update = gradient.lerp(buffer, self.momentum)
            for weight, piece in zip(parameter.data.chunk(parts), update.chunk(parts), strict=True):
                flip = piece.shape[0] > piece.shape[1]
                pair = (weight.mT, piece.mT) if flip else (weight, piece)
                groups[pair[0].shape].append(pair)
        for pairs in groups.values():
            directions = orthogonal(torch.stack([piece for _, piece in pairs]))
            for (weight, _), direction in zip(pairs, directions, strict=True):
                weight.mul_(1 - rate * decay).add_(direction, alpha=-rate)

    def state_dict(self) -> list[Tensor]:
        """The momentum, for checkpoints."""
        return self.buffers

    def load_state_dict(self, buffers: list[Tensor]) -> None:
        """Take up the momentum of a checkpoint."""
        for mine, saved in zip(self.buffers, buffers, strict=True):
            mine.copy_(saved)


class Optimiser:
    """Both together, driven by one factor on their learning rates."""

    def __init__(self, model: Cria, matrix_rate: float, other_rate: float, decay: float) -> None:
        named = [(name, parameter) for name, parameter in model.named_parameters()]
        matrices = [(name, p) for name, p in named if p.ndim == 2 and name.startswith("blocks.")]
        chosen = {name for name, _ in matrices}
        others = [parameter for name, parameter in named if name not in chosen]
        self.matrix_rate, self.other_rate, self.decay = matrix_rate, other_rate, decay
        self.muon = Muon(matrices)
        self.adam = torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.98), eps=1e-10, weight_decay=0.0)

    def step(self, factor: float) -> None:
        """One update with the learning rates times ``factor``, then clear the gradients."""
        for group in self.adam.param_groups:
            group["lr"] = self.other_rate * factor
        self.muon.step(self.matrix_rate * factor, self.decay)
        self.adam.step()
        for parameter in self.muon.parameters:
            parameter.grad = None
        self.adam.zero_grad()

    def state_dict(self) -> dict[str, object]:
        """For checkpoints."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from a checkpoint."""
        self.muon.load_state_dict(state["muon"])  # type: ignore[arg-type]
        self.adam.load_state_dict(state["adam"])  # type: ignore[arg-type]
