"""A batch goes on after ``kill -9``: each request has one answer, and what was written stays as it was."""

import contextlib
import sqlite3
import time

from tests.batches.batching import begin, chat, client_of, finished, lines_of, names
from tests.conftest import Serve
from tests.server import wait_for

ITEMS, ENDS = 60, ("kill", "kill", "stop", "kill")


def test_each_request_is_answered_once_however_often_the_server_ends(serve: Serve) -> None:
    server = serve()
    asked = [chat(f"item-{number}", f"Say {number}", 1 + number % 4) for number in range(ITEMS)]
    asked[7]["body"]["model"] = "nobody"
    batch = begin(client_of(server), asked).id
    seen: dict[str, str] = {}
    for number, end in enumerate(ENDS):
        client = client_of(server)
        wanted = (number + 1) * ITEMS // (len(ENDS) + 2)
        wait_for(lambda client=client, wanted=wanted: client.batches.retrieve(batch).request_counts.completed >= wanted)
        for line in lines_of(client, client.batches.retrieve(batch).output_file_id):
            assert seen.setdefault(line["custom_id"], line["id"]) == line["id"]
        time.sleep(0.013 * number)
        server.kill() if end == "kill" else server.stop()
        server = serve(world=server.world)
    client = client_of(server)
    done = finished(client, batch)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert done.request_counts.to_dict() == {"total": ITEMS, "completed": ITEMS - 1, "failed": 1}
    output = lines_of(client, done.output_file_id)
    assert names(output) == [line["custom_id"] for line in asked if line["body"]["model"] == "cria"]
    assert names(lines_of(client, done.error_file_id)) == ["item-7"]
    assert len({line["id"] for line in output}) == ITEMS - 1
    assert seen.items() <= {line["custom_id"]: line["id"] for line in output}.items()
    assert done.usage is not None
    assert done.usage.output_tokens == sum(line["response"]["body"]["usage"]["completion_tokens"] for line in output)
    with contextlib.closing(sqlite3.connect(server.world.home / ".puna" / "batches.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
