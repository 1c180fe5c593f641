"""A vocabulary whose table of characters lies in the file as letters reads texts as that with the table itself."""

from pathlib import Path
from typing import Any

from tests.conftest import Serve
from tests.server import Server
from tests.system import require_module
from tests.twins.files import create, write_twin
from tests.twins.snowflake import snowflake, trained

WIDE, NARROW = "The ｓｋｙ is ﬁne, a llama of ①0  friends", "The sky is fine, a llama of 10 friends"


def tokens(server: Server, name: str, text: str) -> list[int]:
    found: list[int] = server.ask("/api/tokenize", {"model": name, "text": text})["tokens"]
    return found


def vectors(server: Server, name: str) -> list[list[float]]:
    found: Any = server.ask("/api/embed", {"model": name, "input": [WIDE, NARROW, "green grass"]})["embeddings"]
    return [list(map(float, vector)) for vector in found]


def test_a_translated_vocabulary_reads_as_its_twin(serve: Serve, tmp_path: Path) -> None:
    model = trained()
    (old,), (new,) = write_twin(tmp_path, Path(), snowflake(model))
    server = serve({})
    names = [create(server, "old", old), create(server, "new", new)]
    meant = require_module("sentencepiece").SentencePieceProcessor(model_proto=model).encode(WIDE)
    for name in names:
        assert tokens(server, name, WIDE) == meant == tokens(server, name, NARROW)
    same, again = (vectors(server, name) for name in names)
    assert same == again
    assert same[0] == same[1] != same[2]
