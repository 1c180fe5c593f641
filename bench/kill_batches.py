"""``kill -9`` in the middle of a batch: ``python -m bench.kill_batches [ITEMS [ENDS]]``, by default 1,000 and 20.

Each item must be answered exactly once; it ends with an ``AssertionError`` where one is not.
"""

import sys
import time

from tests.batches.killing import KILL, survive
from tests.server import Server


def main() -> None:
    """Make a batch, and kill its server again and again."""
    given = [int(text) for text in sys.argv[1:]]
    items, ends = [*given, *(1000, 20)[len(given) :]]
    began = time.monotonic()
    server = survive(Server, items, [KILL] * ends)
    server.stop()
    left = server.world.close()
    print(f"{items} items, {ends} times kill -9: each answered once, in {time.monotonic() - began:.0f} s; left: {left}")


if __name__ == "__main__":
    main()
