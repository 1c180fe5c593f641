"""Child processes that have been asked to end, each in its own way."""

import subprocess


def await_end(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Return when a process has ended, which is killed after ``seconds``."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
