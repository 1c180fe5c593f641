"""Keys of different limits whose owners keep books: ``python -m bench.key_books [KEYS [REQUESTS]]``, 200 and 20.

What the metrics, the log and the usage say must be what the clients have counted, exactly; the status is 1 otherwise.
"""

import sys
import time

from tests.keys.books import compare, keep_books
from tests.keys.conftest import key_of
from tests.server import Server, World


def main() -> None:
    """Soak a server of its own, and compare the books."""
    given = [int(text) for text in sys.argv[1:]]
    keys, requests = [*given, *(200, 20)[len(given) :]]
    world = World({"PUNA_LOG_FORMAT": "json", "OLLAMA_MAX_QUEUE": "10000"})
    server = Server(world)
    server.post("/api/copy", {"source": "cria", "destination": "other"})
    admin = key_of(world, "root", scopes=["admin"])
    began = time.monotonic()
    books = keep_books(server, keys, requests)
    wrong = compare(server, admin, books)
    answers = sum(book.answers for book in books.values())
    refusals = sum(book.refusals.total() for book in books.values())
    tokens = sum(book.prompt + book.generated for book in books.values())
    print(
        f"{keys} keys, {answers} answers of {tokens} tokens, {refusals} refusals in {time.monotonic() - began:.0f} s; "
        f"{len(wrong)} differences"
    )
    print(*wrong[:20], *(fault for book in books.values() for fault in book.faults.values()), sep="\n")
    server.stop()
    world.close()
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
