"""When a server looks for garbage: objects that only refer to each other; all others go by themselves.

While it looks no thread gets on, so it looks seldom, and not at what is none.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_AFTER = 2000
"""New objects after which they are looked through, and with every tenth such look those of the last ten.

With Python's 700 a large request is looked through several times while it is made. But what is garbage takes far longer
than what is none, and should not gather: to remove 30,000 objects takes 40 ms.
"""


def settle() -> None:
    """Look at nothing any more that is there, as modules and routes stay as long as the process; begin to look."""
    gc.freeze()
    gc.set_threshold(_LOOK_AFTER, 10, 50)
    gc.enable()


@contextmanager
def unlooked() -> Iterator[None]:
    """Look at nothing while something is made of which nothing is garbage."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def let_go(error: BaseException) -> None:
    """Take from an error, and from those behind it, the way by which it came, once nobody looks at that any more.

    Its frames hold the request, and one of them mostly the task that holds the error: 100,000 objects of a large body
    were left for a look at all there is.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        found.__traceback__ = None
        waiting += [found.__cause__, found.__context__, *getattr(found, "exceptions", ())]
