"""Which server process has something under way, in words that outlive it."""

import os

import psutil


def this_process() -> str:
    """Return what tells this process from every other one, earlier ones with its number included."""
    return f"{os.getpid()} {psutil.Process().create_time()}"


def is_alive(process: str) -> bool:
    """Return whether the process that wrote ``process`` still runs."""
    number, _, created = process.partition(" ")
    try:
        return f"{psutil.Process(int(number)).create_time()}" == created
    except (psutil.Error, ValueError):
        return False
