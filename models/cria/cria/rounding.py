"""Training under the rounding of Q4_0: the network reads its weights as the file will hold them.

Twice the parameters then fit into the bytes of Q8_0. Gradients pass the rounding as if it were not there, so that the
weights settle where rounding costs least. Embeddings and norms are not rounded: the file keeps them in more bits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 32


def rounded(weight: Tensor) -> Tensor:
    """The weights after Q4_0 and back: blocks of 32 in a row share a scale, which makes the largest of them -8."""
    blocks = weight.float().reshape(-1, BLOCK)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = largest / -8
    inverse = torch.where(scale == 0, torch.zeros_like(scale), 1 / scale)
    steps = (blocks * inverse + 8.5).trunc().clamp(0, 15) - 8
    return (steps * scale.half().float()).view_as(weight)


class Linear(nn.Linear):
    """A matrix without bias that is read as it is, or as ``rounded`` makes it."""

    rounding = False

    def forward(self, x: Tensor) -> Tensor:
        """Multiply; with ``rounding`` by the rounded weights, with the gradients of the true ones."""
        if not self.rounding:
            return F.linear(x, self.weight)
        return F.linear(x, self.weight + (rounded(self.weight) - self.weight).detach())


def set_rounding(model: nn.Module, on: bool) -> None:
    """Switch the rounding of every matrix of a network."""
    for module in model.modules():
        if isinstance(module, Linear):
            module.rounding = on
