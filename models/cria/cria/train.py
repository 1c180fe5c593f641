"""Training, in phases of equal rows, with checkpoints from which it goes on where it stopped."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cria import tokenizer as tokenizers
from cria.data.packing import Rows, documents, rows
from cria.model import Cria
from cria.optimiser import Optimiser
from cria.rounding import set_rounding

SHARD_STEPS = 64
SEED = 20261122
ROUND = 2048
"""Learned positions are padded to a multiple of this: each size is compiled once, and few keep the allocator calm."""
IGNORED = -100
MEAN_DECAY = 0.998
"""How much of the running mean of the weights is kept at a step: it is over about the last 500."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training: ``steps`` updates, each on ``batch`` rows of ``length`` tokens.

    With ``apart`` a document does not see those before it in its row; without, the whole row is one context,
    which teaches the long distances. ``rounded`` reads the weights as a file of Q4_0 holds them.
    """

    name: str
    steps: int
    batch: int
    length: int
    shares: Mapping[str, float]
    apart: bool = True
    rounded: bool = False


@dataclass(frozen=True)
class Plan:
    """A whole training run. The rates rise over ``warmup`` steps and fall to 0 over the last ``cooldown``."""

    phases: tuple[Phase, ...]
    matrix_rate: float = 0.02
    other_rate: float = 0.003
    decay: float = 0.05
    warmup: int = 100
    cooldown: int = 1000
    checkpoint_every: int = 200

    @property
    def steps(self) -> int:
        """Updates in all."""
        return sum(phase.steps for phase in self.phases)

    def factor(self, step: int) -> float:
        """What the learning rates are multiplied by at ``step``, counted from 0."""
        return min(1.0, (step + 1) / self.warmup, (self.steps - step) / max(1, self.cooldown))


def make_shard(tokenizer: Path, phase: Phase, index: int) -> Rows:
    """The rows of ``SHARD_STEPS`` steps, the same ones whenever they are asked for."""
    stream = documents(phase.shares, tokenizers.load(tokenizer), f"{SEED}/{phase.name}/{index}", phase.length)
    return rows(stream, SHARD_STEPS * phase.batch, phase.length)


def batches(pool: Executor, tokenizer: Path, phase: Phase, first: int) -> Iterator[Rows]:
    """The batches of a phase from step ``first`` on; the next shard is made while one is read."""
    shard_number = -(-phase.steps // SHARD_STEPS)
    futures: dict[int, Future[Rows]] = {}
    for index in range(first // SHARD_STEPS, shard_number):
        for wanted in range(index, min(index + 2, shard_number)):
            if wanted not in futures:
                futures[wanted] = pool.submit(make_shard, tokenizer, phase, wanted)
        shard = futures.pop(index).result()
        for step in range(max(first, index * SHARD_STEPS), min((index + 1) * SHARD_STEPS, phase.steps)):
            at = (step - index * SHARD_STEPS) * phase.batch
            here = slice(at, at + phase.batch)
            yield Rows(shard.tokens[here], shard.learned[here], shard.segment[here])


def loss_of(model: Cria, tokens: Tensor, segment: Tensor | None, positions: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of ``targets``, predicted at ``positions`` of the flattened batch."""
    mask = None
    if segment is not None:
        mask = (segment[:, :, None] == segment[:, None, :]).tril().unsqueeze(1)
    with torch.autocast(tokens.device.type, torch.bfloat16):
        chosen = model.features(tokens, mask).flatten(0, 1)[positions]
        scores = F.linear(chosen, model.embedding.weight)
    return F.cross_entropy(scores.float(), targets, ignore_index=IGNORED)


def tensors(batch: Rows, apart: bool, device: torch.device) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """A batch as the arguments of ``loss_of``: a position is predicted from the one before in its document."""
    tokens = torch.from_numpy(batch.tokens.astype("int64"))
    segment = torch.from_numpy(batch.segment.astype("int32"))
    learned = torch.from_numpy(batch.learned)
    wanted = learned[:, 1:] & (segment[:, 1:] == segment[:, :-1])
    grid = torch.arange(tokens.numel()).view_as(tokens)
    positions, targets = grid[:, :-1][wanted], tokens[:, 1:][wanted]
    missing = -len(positions) % ROUND
    positions, targets = F.pad(positions, (0, missing)), F.pad(targets, (0, missing), value=IGNORED)
    seen = segment.to(device) if apart else None
    return tokens.to(device), seen, positions.to(device), targets.to(device)


class Mean:
    """The running mean of a network's weights, which is what a run is for.

    What the last steps have by chance differs from one to the next, even while the learning rate falls; their mean
    answers better than any of them.
    """

    def __init__(self, model: Cria) -> None:
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.seen = 0

    def update(self, model: Cria) -> None:
        """Take in the weights after a step; in the first ones the mean is over all there were."""
        self.seen += 1
        part = max(1 - MEAN_DECAY, 1 / self.seen)
        for name, value in model.state_dict().items():
            self.weights[name].lerp_(value, part)

    def state_dict(self) -> dict[str, object]:
        """For checkpoints."""
        return {"weights": self.weights, "seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.weights, self.seen = state["weights"], state["seen"]


class Run:
    """One training run in a folder: ``checkpoint.pt`` to go on from, ``log.jsonl`` with a line per report.

    It begins with ``model``, unless there is a checkpoint.
    """

    def __init__(self, folder: Path, tokenizer: Path, model: Cria, plan: Plan, device: torch.device) -> None:
        self.folder, self.tokenizer, self.plan, self.device = folder, tokenizer, plan, device
        self.model = model.to(device)
        self.optimiser = Optimiser(self.model, plan.matrix_rate, plan.other_rate, plan.decay)
        self.mean = Mean(self.model)
        self.loss = torch.compile(loss_of, dynamic=False)
        self.step = 0
        checkpoint = folder / "checkpoint.pt"
        if checkpoint.exists():
            state = torch.load(checkpoint, map_location=device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.mean.load_state_dict(state["mean"])
            self.step = state["step"]

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "mean": self.mean.state_dict(),
            "step": self.step,
            "shape": self.model.shape.as_dict(),
        }
        partial = self.folder / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "checkpoint.pt")

    def train(self, report_every: int = 20) -> None:
        """Train to the end of the plan."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(1) as pool:
            before = 0
            for phase in self.plan.phases:
                first = self.step - before
                if first < phase.steps:
                    self._phase(phase, batches(pool, self.tokenizer, phase, max(0, first)), report_every)
                before += phase.steps
        self.save()

    def _phase(self, phase: Phase, stream: Iterator[Rows], report_every: int) -> None:
        set_rounding(self.model, phase.rounded)
        total, number, started = 0.0, 0, time.monotonic()
        for batch in stream:
            loss = self.loss(self.model, *tensors(batch, phase.apart, self.device))
            torch.autograd.backward(loss)
            self.optimiser.step(self.plan.factor(self.step))
            self.mean.update(self.model)
            total += loss.item()
            number += 1
            self.step += 1
            if self.step % report_every == 0:
                seconds = time.monotonic() - started
                self._report(phase, total / number, number * phase.batch * phase.length / seconds)
                total, number, started = 0.0, 0, time.monotonic()
            if self.step % self.plan.checkpoint_every == 0:
                self.save()
        if number:
            self._report(phase, total / number, number * phase.batch * phase.length / (time.monotonic() - started))

    def _report(self, phase: Phase, loss: float, speed: float) -> None:
        line = {"step": self.step, "of": self.plan.steps, "phase": phase.name, "loss": round(loss, 4)}
        line |= {"tokens_per_second": round(speed), "time": round(time.time())}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        left = (self.plan.steps - self.step) * phase.batch * phase.length / speed / 60
        print(f"{self.step}/{self.plan.steps} {phase.name} loss {loss:.4f} {speed:.0f} tokens/s", end=" ")
        print(f"about {left:.0f} minutes left", flush=True)
