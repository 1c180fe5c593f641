"""The process that makes grammars of large formats."""

import os

import psutil
from tests.server import wait_for

from puna.inference.format.apart import Apart


def test_process_that_ends_leaves_nothing_and_is_started_again() -> None:
    apart = Apart()
    try:
        before = set(psutil.Process().children())
        made = apart.grammar(b'{"type": "integer"}')
        (process,) = set(psutil.Process().children()) - before
        assert os.getsid(process.pid) == os.getsid(0)
        assert os.getpgid(process.pid) == process.pid
        process.kill()
        wait_for(lambda: not psutil.pid_exists(process.pid), what="the process to be reaped")
        assert apart.grammar(b'{"type": "integer"}') == made
    finally:
        apart.close()
