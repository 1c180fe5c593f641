"""Change GGUF files so that they lie, make models of them, and see that each loads or is refused with a reason.

    python bench/mutants.py [--count 3000] [--first 0] [--engine LLAMA-SERVER] [--words] FILE.gguf ...

Starts a server of its own with an empty store. ``--words`` prints why those were refused that were accepted at first.
The status is 1 if a mutant met anything but an answer or a 4xx.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.mutants.run import try_mutants
from tests.server import Server, World

from bench.arguments import add_engine


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    add_engine(parser)
    parser.add_argument("--words", action="store_true")
    asked = parser.parse_args()
    server = Server(World({"PUNA_ENGINE": asked.engine} if asked.engine else {}))
    try:
        tally = try_mutants(server, asked.files, range(asked.first, asked.first + asked.count))
    finally:
        server.stop()
        left = server.world.close()
    print(dict(tally.outcomes))
    for (kind, outcome), count in sorted(tally.by_kind.items()):
        print(f"  {kind:20} {outcome:16} {count}")
    for line in (*(tally.at_load if asked.words else ()), *tally.wrong, *left):
        print(line[:600])
    return 1 if tally.wrong or left else 0


if __name__ == "__main__":
    sys.exit(main())
