"""One command from nothing to GGUF: ``python -m cria.build <folder>``.

It learns the tokenizer, trains in the phases below, goes on from the last checkpoint when it was stopped,
draws the loss and writes ``cria.gguf`` (Q8_0) and ``cria-f16.gguf``. With ``--start FILE`` it takes network and
tokenizer from a GGUF of an earlier build and trains the last phases alone; with ``--wide`` it follows the longer plan,
and with both it goes on from the GGUF on composed sentences. ``--settle`` ends a run that was stopped.
"""

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from cria import export, start
from cria import tokenizer as tokenizers
from cria.chat import CONTROL_TOKENS, MARKUP_TOKENS, spans
from cria.data import mixture
from cria.model import Cria, Shape
from cria.train import SEED, Phase, Plan, Run

TOKENIZER_CHARACTERS = 12_000_000

PLAN = Plan(
    phases=(
        Phase("copying", 256, 24, 512, mixture.COPYING),
        Phase("main", 1024, 24, 512, mixture.SHARES),
        Phase("later", 576, 24, 512, mixture.LATER),
        Phase("long", 64, 6, 2048, mixture.LONG, apart=False),
        Phase("choosing", 1824, 24, 512, mixture.CHOOSING),
        Phase("far", 96, 6, 2048, mixture.LONG, apart=False),
        Phase("final", 784, 24, 512, mixture.FINAL),
        Phase("matching", 600, 24, 512, mixture.MATCHING),
        Phase("farther", 24, 6, 2048, mixture.FAR, apart=False),
        Phase("settling", 416, 24, 512, mixture.SETTLING),
    ),
    cooldown=740,
)
WIDE = Plan(
    phases=(
        Phase("copying", 2048, 24, 512, mixture.WIDE_COPYING),
        Phase("wide", 14336, 24, 512, mixture.WIDE),
        Phase("middle", 640, 6, 2048, mixture.WIDE_FAR, apart=False),
        Phase("wider", 4096, 24, 512, mixture.WIDE),
        Phase("far", 1536, 2, 8192, mixture.WIDE_FAR, apart=False),
        Phase("settling", 2560, 24, 512, mixture.WIDE),
        Phase("far-settling", 128, 2, 8192, mixture.WIDE_FAR, apart=False),
    ),
    cooldown=5000,
)
"""A longer run on composed sentences, with a context of 8,192 tokens at its end."""
WIDE_SHAPE: dict[str, Any] = {"context": 8192, "rope_base": 100_000.0}
FOUR_BITS: dict[str, Any] = {**WIDE_SHAPE, "width": 384, "heads": 6, "layers": 5, "hidden": 1152}
"""11.6 million parameters, for a file of Q4_0 of 7.7 MB.

More would fit the bytes, not the time: a processor counts multiplications, and 15 million in ten layers answer with two
thirds of the speed of 8 million in Q8_0; these, in fewer and wider layers, with 94 to 97 %.
"""
ONWARD = Plan(
    phases=(
        Phase("wide", 2048, 12, 512, mixture.WIDE),
        Phase("far", 256, 3, 2048, mixture.WIDE_FAR, apart=False),
        Phase("farther", 64, 1, 8192, mixture.WIDE_FAR, apart=False),
        Phase("settling", 768, 12, 512, mixture.WIDE_SETTLING),
    ),
    matrix_rate=0.012,
    other_rate=0.0018,
    cooldown=768,
    checkpoint_every=50,
)
"""What an earlier build goes on with on composed sentences: small steps, many of them; its context grows at once."""
GROW = Plan(
    phases=(
        Phase("grown", 3400, 12, 512, mixture.GROWN),
        Phase("far", 700, 3, 2048, mixture.GROWN_FAR, apart=False),
        Phase("farther", 40, 1, 8192, mixture.GROWN_FAR, apart=False),
        Phase("settling", 1300, 12, 512, mixture.GROWN),
        Phase("far-settling", 150, 3, 2048, mixture.GROWN_FAR, apart=False),
    ),
    matrix_rate=0.012,
    other_rate=0.0018,
    cooldown=1450,
    checkpoint_every=100,
)
"""What follows ``ONWARD`` with several times as many scenes."""
BALANCE = Plan(
    phases=(
        Phase("balancing", 1150, 12, 512, mixture.BALANCED),
        Phase("far-balancing", 130, 3, 2048, mixture.BALANCED_FAR, apart=False),
    ),
    matrix_rate=0.008,
    other_rate=0.0012,
    warmup=16,
    cooldown=900,
)
"""The end, after which as much is refused as is called: ``GROW`` has learned to call too well."""
STEADY = Plan(
    phases=(
        Phase("steady-on", 1900, 12, 512, mixture.STEADY),
        Phase("steady-far", 1000, 3, 2048, mixture.STEADY_FAR, apart=False),
        Phase("steady-farther", 40, 1, 8192, mixture.STEADY_FAR, apart=False),
        Phase("steady-settling", 1000, 12, 512, mixture.STEADY_SETTLING),
        Phase("steady-far-settling", 600, 3, 2048, mixture.STEADY_FAR_SETTLING, apart=False),
    ),
    matrix_rate=0.01,
    other_rate=0.0015,
    warmup=50,
    cooldown=1500,
    checkpoint_every=40,
)
"""What follows ``BALANCE``: the same scenes longer, in one balance from beginning to end."""
POLISH = Plan(
    phases=tuple(
        phase
        for turn in range(6)
        for phase in (
            Phase(f"polish-{turn}", 220, 12, 512, mixture.POLISHED),
            Phase(f"polish-far-{turn}", 90, 3, 2048, mixture.POLISHED_FAR, apart=False),
            Phase(f"polish-farther-{turn}", 3, 1, 8192, mixture.POLISHED_FAR, apart=False),
        )
    ),
    matrix_rate=0.004,
    other_rate=0.0006,
    warmup=50,
    cooldown=1828,
    checkpoint_every=100,
)
"""What follows ``STEADY``: short and long rows by turns, at small rates that fall from beginning to end."""
AFTER = {"grow": GROW, "balance": BALANCE, "steady": STEADY, "polish": POLISH}
"""What follows ``ONWARD``, by the option that asks for it."""
UNROUNDED = ("copying", "wide")
"""The phases of the wide plan that a network for four bits does not yet spend under the rounding."""
LAST = 3
"""The phases at the end of the plan that can follow an earlier build."""


def learn_tokenizer(path: Path, weights: Mapping[str, float]) -> None:
    """Learn the tokenizer from what the model will read, each generator by its share."""
    marks = (*CONTROL_TOKENS, *MARKUP_TOKENS)

    def texts(name: str, share: float) -> Iterator[str]:
        length = 0
        for item in mixture.items(name, f"{SEED}/tokenizer"):
            text = "".join(span.text for span in spans(item))
            for mark in marks:
                text = text.replace(mark, "\n")
            length += len(text)
            yield text
            if length > share * TOKENIZER_CHARACTERS:
                return

    shares = [(name, share) for name, share in weights.items() if name != mixture.JOINED]
    tokenizers.train(itertools.chain.from_iterable(texts(*entry) for entry in shares)).save(str(path))


def plot(log: Path, picture: Path) -> None:
    """Draw the loss of every report in a training log."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    phases: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for line in lines:
        phases[line["phase"]][line["step"]] = line["loss"]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name, losses in phases.items():
        axes.plot(list(losses), list(losses.values()), label=name, linewidth=1)
    axes.set(xlabel="step", ylabel="cross-entropy of learned tokens", yscale="log")
    axes.grid(alpha=0.3)
    figure.legend(title="phase", loc="outside right upper")
    figure.savefig(picture, dpi=110)


def shortened(plan: Plan, divisor: int) -> Plan:
    """The same plan with a part of the steps, to try things out."""
    phases = tuple(replace(phase, steps=max(1, phase.steps // divisor)) for phase in plan.phases)
    return replace(plan, phases=phases, cooldown=plan.cooldown // divisor, warmup=min(plan.warmup, 50))


def settled(plan: Plan, done: int, steps: int) -> Plan:
    """The plan up to the step ``done``, and then some steps of its last phase, in which the rate falls to 0."""
    phases: list[Phase] = []
    for phase in plan.phases:
        if (left := done - sum(earlier.steps for earlier in phases)) > 0:
            phases.append(replace(phase, steps=min(left, phase.steps)))
    return replace(plan, phases=(*phases, replace(plan.phases[-1], name="settled", steps=steps)), cooldown=steps)


def for_four_bits(plan: Plan) -> Plan:
    """The same plan with the later phases under the rounding of Q4_0."""
    phases = tuple(replace(phase, rounded=phase.name not in UNROUNDED) for phase in plan.phases)
    return replace(plan, phases=phases)


def prepare(folder: Path, earlier: Path | None, wide: bool, after: Plan) -> tuple[Plan, Cria | None]:
    """Make the tokenizer where there is none yet; return the plan, and the network to go on from."""
    tokenizer = folder / "tokenizer.json"
    if earlier is None:
        if not tokenizer.exists():
            learn_tokenizer(tokenizer, mixture.WIDE if wide else mixture.SHARES)
        return WIDE if wide else PLAN, None
    start.read_tokenizer(earlier).save(str(tokenizer))
    if wide:
        return after, start.read_network(earlier, WIDE_SHAPE)
    return replace(PLAN, phases=PLAN.phases[-LAST:]), start.read_network(earlier)


def main() -> None:
    """Build cria from nothing, or go on building it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where everything is written")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--start", type=Path, help="a GGUF of an earlier build to go on from")
    parser.add_argument(
        "--wide",
        action="store_true",
        help="the longer plan on composed sentences; with --start, what follows an earlier build",
    )
    later = parser.add_mutually_exclusive_group()
    later.add_argument("--grow", action="store_true", help="with --start and --wide: on many more scenes, after that")
    later.add_argument("--balance", action="store_true", help="with --start and --wide: the end, after --grow")
    later.add_argument("--steady", action="store_true", help="with --start and --wide: longer, after --balance")
    later.add_argument("--polish", action="store_true", help="with --start and --wide: at small rates, after --steady")
    parser.add_argument("--four-bits", action="store_true", help="with --wide: wider layers, and a file of Q4_0")
    parser.add_argument("--divisor", type=int, default=1, help="train only this part of the steps, to try it")
    parser.add_argument("--settle", type=int, help="end the run that stopped here: so many steps with a falling rate")
    arguments = parser.parse_args()
    chosen = [plan for name, plan in AFTER.items() if getattr(arguments, name)]
    if chosen and not (arguments.start and arguments.wide):
        parser.error("--grow, --balance, --steady and --polish go with --start and --wide")
    if arguments.four_bits and (arguments.start or not arguments.wide):
        parser.error("--four-bits goes with --wide, from nothing")
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = folder / "tokenizer.json"
    plan, earlier = prepare(folder, arguments.start, arguments.wide, chosen[0] if chosen else ONWARD)
    torch.manual_seed(SEED)
    sizes = FOUR_BITS if arguments.four_bits else WIDE_SHAPE if arguments.wide else {}
    plan = for_four_bits(plan) if arguments.four_bits else plan
    model = earlier or Cria(Shape(vocabulary=tokenizers.load(tokenizer).get_vocab_size(), **sizes))
    run = Run(folder, tokenizer, model, shortened(plan, arguments.divisor), torch.device(arguments.device))
    if arguments.settle:
        run.plan = settled(run.plan, run.step, arguments.settle)
    run.train()
    plot(folder / "log.jsonl", folder / "loss.png")
    model = export.load_model(folder / "checkpoint.pt")
    kind = "Q4_0" if arguments.four_bits else "Q8_0"
    export.write(model, tokenizers.load(tokenizer), folder / "cria.gguf", kind)
    export.write(model, tokenizers.load(tokenizer), folder / "cria-f16.gguf", "F16")


if __name__ == "__main__":
    main()
