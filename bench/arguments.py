"""What the programs of this folder take in common."""

import argparse
import os
from pathlib import Path


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Let a program take ``--engine``, which is ``None`` without one.

    What is none ends it: a server would go on with the portable engine, and the figures would be taken for another's.
    """
    parser.add_argument(
        "--engine", type=_program, help="a llama-server; without one, the portable engine", metavar="FILE"
    )


def _program(path: str) -> str:
    if not (Path(path).is_file() and os.access(path, os.X_OK)):
        raise argparse.ArgumentTypeError(f"{path} is no program")
    return path
