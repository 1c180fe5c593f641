"""What training computes; skipped where the training extra is not installed."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

from cria.data.packing import Rows
from cria.model import Cria, Shape
from cria.optimiser import Optimiser, orthogonal
from cria.train import IGNORED, MEAN_DECAY, ROUND, Mean, Phase, Plan, Run, loss_of, tensors

CPU = torch.device("cpu")


def batch(first: list[int]) -> Rows:
    """One row: a document that is not learned, then one that is, then padding."""
    tokens = np.array([[*first, 4, 5, 6, 7, 0, 0]], np.uint16)
    segment = np.array([[1] * len(first) + [2, 2, 2, 2, 0, 0]], np.uint8)
    learned = np.array([[False] * len(first) + [False, True, True, True, False, False]])
    return Rows(tokens, learned, segment)


def small() -> Cria:
    torch.manual_seed(0)
    return Cria(Shape(vocabulary=16, width=32, layers=2, heads=2, hidden=64, context=32))


def loss(model: Cria, first: list[int], apart: bool) -> float:
    with torch.no_grad():
        return float(loss_of(model, *tensors(batch(first), apart, CPU)))


def test_a_document_does_not_see_the_one_before_unless_the_row_is_one_context() -> None:
    model = small()
    assert loss(model, [1, 2, 3], apart=True) == pytest.approx(loss(model, [9, 8, 9], apart=True), abs=1e-4)
    assert abs(loss(model, [1, 2, 3], apart=False) - loss(model, [9, 8, 9], apart=False)) > 1e-4


def test_learned_tokens_are_predicted_from_the_one_before_and_padded_to_a_round_number() -> None:
    _, _, positions, targets = tensors(batch([1, 2]), True, CPU)
    wanted = targets != IGNORED
    assert targets[wanted].tolist() == [5, 6, 7]
    assert positions[wanted].tolist() == [2, 3, 4]
    assert len(positions) == ROUND


def test_rates_rise_stay_and_fall() -> None:
    plan = Plan((Phase("one", 100, 1, 8, {}),), warmup=10, cooldown=50)
    assert [plan.factor(step) for step in (0, 9, 49, 75, 99)] == [0.1, 1.0, 1.0, 0.5, 0.02]


def test_directions_are_nearly_orthonormal() -> None:
    torch.manual_seed(0)
    sizes = torch.linalg.svdvals(orthogonal(torch.randn(2, 16, 48)).float())
    assert sizes.min() > 0.5 and sizes.max() < 1.5


def test_a_few_steps_learn_a_row_and_go_on_from_their_state() -> None:
    model = small()
    optimiser = Optimiser(model, 0.02, 0.003, 0.0)
    before = loss(model, [1, 2, 3], apart=True)
    for _ in range(60):
        torch.autograd.backward(loss_of(model, *tensors(batch([1, 2, 3]), True, CPU)))
        optimiser.step(1.0)
    assert loss(model, [1, 2, 3], apart=True) < before / 4
    other = small()
    again = Optimiser(other, 0.02, 0.003, 0.0)
    other.load_state_dict(model.state_dict())
    again.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for one, steps in ((model, optimiser), (other, again)):
        torch.autograd.backward(loss_of(one, *tensors(batch([1, 2, 3]), True, CPU)))
        steps.step(0.5)
    assert loss(model, [1, 2, 3], apart=True) == loss(other, [1, 2, 3], apart=True)


@pytest.mark.parametrize("rounding", [False, True])
def test_a_phase_reports_its_last_steps_and_rounds_when_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounding: bool
) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # compiling takes half a minute
    phase = Phase("short", 3, 1, 8, {}, rounded=rounding)
    run = Run(tmp_path, tmp_path / "tokenizer.json", small(), Plan((phase,), checkpoint_every=99), CPU)
    seen = []

    def counted(model: Cria, *given: Any) -> torch.Tensor:
        seen.append(model.blocks[0].qkv.rounding)  # type: ignore[union-attr]
        return loss_of(model, *given)

    run.loss = counted
    run._phase(phase, iter([batch([1, 2, 3])] * 3), report_every=2)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3]
    assert seen == [rounding] * 3


def test_a_run_that_stopped_is_settled_in_some_steps_of_the_last_phase() -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("matplotlib")
    from cria.build import settled

    shares = {"composed.forms": 1.0}
    plan = Plan((Phase("one", 10, 1, 8, shares), Phase("two", 10, 2, 16, {}), Phase("last", 10, 3, 8, shares)))
    short = settled(plan, 14, 5)
    assert [(phase.name, phase.steps, phase.batch) for phase in short.phases] == [
        ("one", 10, 1),
        ("two", 4, 2),
        ("settled", 5, 3),
    ]
    assert [short.factor(step) for step in (13, 14, 18)] == pytest.approx([0.14, 0.15, 0.19])
    assert settled(replace(plan, warmup=1), 14, 5).factor(18) == pytest.approx(0.2)
    assert [phase.name for phase in settled(plan, 4, 5).phases] == ["one", "settled"]


def test_the_mean_is_of_all_weights_at_first_and_then_of_the_last_ones() -> None:
    model = small()
    mean = Mean(model)
    weight = model.norm.weight
    for value in (1.0, 2.0, 6.0):
        with torch.no_grad():
            weight.fill_(value)
        mean.update(model)
    assert mean.weights["norm.weight"].tolist() == pytest.approx([3.0] * 32)
    mean.seen = 10_000
    mean.update(model)
    assert mean.weights["norm.weight"].tolist() == pytest.approx([3 * MEAN_DECAY + 6 * (1 - MEAN_DECAY)] * 32)


def test_a_checkpoint_keeps_the_mean_and_it_is_what_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    from cria.export import load_model

    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # compiling takes half a minute
    phase = Phase("short", 4, 1, 8, {})
    run = Run(tmp_path, tmp_path / "tokenizer.json", small(), Plan((phase,), checkpoint_every=4), CPU)
    seen = []
    run.loss = lambda model, *given: seen.append(model.norm.weight.detach().clone()) or loss_of(model, *given)
    run._phase(phase, iter([batch([1, 2, 3])] * 4), report_every=9)
    after = torch.stack([*seen[1:], run.model.norm.weight.detach()]).mean(0)
    assert torch.allclose(load_model(tmp_path / "checkpoint.pt").norm.weight, after)
    again = Run(tmp_path, tmp_path / "tokenizer.json", small(), run.plan, CPU)
    assert again.mean.seen == 4
    assert torch.equal(again.mean.weights["norm.weight"], run.mean.weights["norm.weight"])
