"""Servers that end in the middle of a batch, again and again, and what is in its files afterwards."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Sequence

from tests.batches.batching import begin, chat, client_of, finished, lines_of, names
from tests.server import Server, World, wait_for

KILL, STOP = "kill", "stop"
_LOST = 7
"""The item whose model is not there."""


def survive(serve: Callable[[World], Server], items: int, ends: Sequence[str], seed: int = 1) -> Server:
    """Make a batch of so many items, end its server as ``ends`` say while it goes on, and check that each item was
    answered once, and that no answer which somebody has read became another. Return the last server."""
    chance = random.Random(seed)
    server = serve(World())
    asked = [chat(f"item-{number}", f"Say {number}", 1 + number % 4) for number in range(items)]
    asked[_LOST]["body"]["model"] = "nobody"
    batch = begin(client_of(server), asked).id
    seen: dict[str, str] = {}
    for number, end in enumerate(ends):
        client = client_of(server)
        wanted = (number + 1) * items // (len(ends) + 2)
        wait_for(lambda client=client, wanted=wanted: client.batches.retrieve(batch).request_counts.completed >= wanted)
        for line in lines_of(client, client.batches.retrieve(batch).output_file_id):
            assert seen.setdefault(line["custom_id"], line["id"]) == line["id"]
        time.sleep(chance.uniform(0, 0.05))
        server.kill() if end == KILL else server.stop()
        server = serve(server.world)
    client = client_of(server)
    done = finished(client, batch, 600)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert done.request_counts.to_dict() == {"total": items, "completed": items - 1, "failed": 1}
    output = lines_of(client, done.output_file_id)
    assert names(output) == [line["custom_id"] for line in asked if line["body"]["model"] == "cria"]
    assert names(lines_of(client, done.error_file_id)) == [f"item-{_LOST}"]
    assert len({line["id"] for line in output}) == items - 1
    assert seen.items() <= {line["custom_id"]: line["id"] for line in output}.items()
    assert done.usage is not None
    assert done.usage.output_tokens == sum(line["response"]["body"]["usage"]["completion_tokens"] for line in output)
    with contextlib.closing(sqlite3.connect(server.world.home / ".puna" / "batches.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return server
