"""Gives memory that holds nothing but zeros back to the system, which gives zeros again when it is written to.

llama.cpp clears a cache when it makes it, so that all of it takes memory before the first token is there: more than the
weights of a small model. Linux only; elsewhere nothing is given back.
"""

import ctypes
import mmap
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

_PIECE = 2 << 20
_THREADS = 2
"""More than one, as the system takes as long to take memory back as it takes to look at it."""
_LEAST = 64 << 20
"""Bytes of an area that is looked at: an allocator's own are no larger (``HEAP_MAX_SIZE`` of glibc)."""
_OWN_AREA = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 *\n(?:[^\n]*:[^\n]*\n)*?Rss: *([0-9]+) kB")


def give_back_zeros() -> int:
    """Return how many bytes were given back. Nothing else of this process may write to its memory meanwhile."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None)
    libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    zeros, given = bytes(_PIECE), []
    pieces = [at for first, last in _areas() for at in range(-(-first // _PIECE) * _PIECE, last - _PIECE + 1, _PIECE)]

    def look(mine: Sequence[int]) -> None:
        for at in mine:
            if libc.memcmp(at, zeros, _PIECE) == 0 and libc.madvise(at, _PIECE, mmap.MADV_DONTNEED) == 0:
                given.append(_PIECE)

    threads = [threading.Thread(target=look, args=(pieces[number::_THREADS],)) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(given)


def _areas() -> Iterator[tuple[int, int]]:
    """Yield the addresses of large private areas of memory that belong to no file and are mostly there."""
    try:
        told = Path("/proc/self/smaps").read_bytes()
    except OSError:
        return
    for area in _OWN_AREA.finditer(told):
        first, last, resident = int(area[1], 16), int(area[2], 16), int(area[3]) << 10
        if last - first > _LEAST and resident > (last - first) // 2:
            yield first, last
