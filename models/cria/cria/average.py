"""The mean of several files of one network: ``python -m cria.average OUT FILE FILE …`` writes ``OUT.gguf`` (Q8_0) and
``OUT-f16.gguf``.

What the last steps of a run have by chance differs from one run to the next; the mean of runs that began with the same
weights keeps what they have in common.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from cria import export, start
from cria.model import Cria


def mean(paths: Sequence[Path]) -> Cria:
    """The network whose weights are the mean of those of some files; raises ``ValueError`` if their shapes differ."""
    networks = [start.read_network(path) for path in paths]
    made = networks[0]
    if any(network.shape != made.shape for network in networks):
        raise ValueError("the files have networks of different shapes")
    states = [network.state_dict() for network in networks]
    made.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return made


def main() -> None:
    """Write the mean of some files."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    made, tokenizer = mean(arguments.files), start.read_tokenizer(arguments.files[0])
    for ending, kind in ((".gguf", "Q8_0"), ("-f16.gguf", "F16")):
        export.write(made, tokenizer, arguments.out.with_name(arguments.out.name + ending), kind)


if __name__ == "__main__":
    main()
