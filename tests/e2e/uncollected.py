"""``puna serve`` that looks for garbage only when it is told to (SIGUSR1), and then logs how much there was."""

import gc
import runpy
import signal
import sys
from collections import Counter

from puna import garbage

MARK = "objects of garbage:"


def _settle() -> None:
    gc.collect()
    gc.freeze()


def _look(*_signal: object) -> None:
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    kinds = Counter(type(item).__name__ for item in gc.garbage)
    print(len(gc.garbage), MARK, dict(kinds.most_common(8)), file=sys.stderr, flush=True)
    gc.garbage.clear()
    gc.collect()


if __name__ == "__main__":
    gc.disable()
    garbage.settle = _settle
    signal.signal(signal.SIGUSR1, _look)
    sys.argv = ["puna", "serve", *sys.argv[1:]]
    runpy.run_module("puna", run_name="__main__")
