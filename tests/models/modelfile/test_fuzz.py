"""Modelfiles that were damaged at random: a model, or an error that is the writer's fault, and quickly."""

import os
import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from puna.api.ollama.create import recipe_of
from puna.api.ollama.schemas import CreateBody
from puna.errors import PunaError
from puna.models.create.build import create
from puna.models.library import Library
from puna.models.modelfile.parse import parse_modelfile
from puna.names import parse_name

COUNT = int(os.environ.get("PUNA_FUZZ_COUNT", "1000"))
SEEDS = (
    b'FROM cria\nSYSTEM """You are\n"odd"."""\nPARAMETER stop "<x>"\nPARAMETER temperature 0.5\nLICENSE MIT\n',
    b'# all\r\nfrom cria\r\nTEMPLATE "{{ .System }} {{ range .Messages }}{{ .Content }}{{ end }}"\r\nREQUIRES 0.1\r\n',
    '\ufeffFROM cria\nMESSAGE user é\nMESSAGE assistant \'\'\' """x"""\nPARAMETER logit_bias {"1": 2}\n'.encode(
        "utf-16"
    ),
    b"FROM cria\nPARAMETER num_ctx 4096\nPARAMETER seed -1\nPARAMETER grammar root ::= x\nPARAMETER think high\n",
)
PIECES = (
    *(
        b'"',
        b'"""',
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"#",
        b"{{",
        b"}}",
        b"\0",
        b"\xff",
        b"\xfe\xff",
        b"..",
        b"/",
        b":",
        b"@",
    ),
    *(
        b"FROM ",
        b"PARAMETER ",
        b"MESSAGE ",
        b"stop ",
        b"1e999",
        b"9" * 400,
        b"-",
        b"[" * 200,
        b"x" * 5000,
        b"\n" * 5000,
    ),
)


def mutated(generator: random.Random) -> Iterator[bytes]:
    """Yield damaged Modelfiles without end."""
    while True:
        data = bytearray(generator.choice(SEEDS))
        for _ in range(generator.randint(1, 6)):
            place = generator.randrange(len(data) + 1)
            match generator.randrange(5):
                case 0:
                    data[place : place + 1] = bytes([generator.randrange(256)])
                case 1:
                    del data[place : place + generator.randint(1, 20)]
                case 2:
                    data[place:place] = generator.choice(PIECES)
                case 3:
                    data[place:place] = data[generator.randrange(len(data) + 1) :][:100]
                case 4:
                    del data[place:]
        yield bytes(data)


def test_damaged_modelfiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    library = Library(tmp_path / "models")
    sources = mutated(random.Random(20))
    made = refused = 0
    tracemalloc.start()
    for _ in range(COUNT):
        source = next(sources)
        started = time.process_time()
        try:
            make(library, source)
            made += 1
        except PunaError as error:
            assert error.status in {400, 404}, (source, error)
            refused += 1
        assert time.process_time() - started < 10, source  # a hang, not a slow machine
    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()
    assert made
    assert refused


def make(library: Library, source: bytes) -> None:
    """Do what the command line and the route do with a Modelfile that names no files."""
    file = parse_modelfile(source)
    fields = {name.lower(): file.last(name) for name in ("TEMPLATE", "SYSTEM", "RENDERER", "PARSER", "REQUIRES")}
    body = CreateBody.model_validate(
        {name: text for name, text in fields.items() if text is not None}
        | {"from": file.last("FROM"), "parameters": file.parameters, "messages": list(file.messages)}
        | {"license": list(file.values("LICENSE"))}
    )
    create(library, parse_name("new"), recipe_of(body), lambda _: None, lambda: False)
