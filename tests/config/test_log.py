"""The log as JSON and in a file: lines that programs read, without a prompt or a secret, in files with an end."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.server import Server, World, wait_for

from puna.log_file import log_file
from puna.logs import JsonFormatter, LineFormatter

FORGED = 'x" outcome=done\n{"level": "ERROR"}\x1b[2K\u202e'
FIELDS = [
    "id", "key", "model", "dialect", "outcome", "error", "prompt", "cached", "cut", "generated", "wait", "load",
    "first", "duration", "speed",
]  # fmt: skip


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.Logger("door")
    yield logger
    for handler in logger.handlers:
        with contextlib.suppress(OSError):  # of a disk that is full
            handler.close()


def written(logger: logging.Logger, formatter: logging.Formatter) -> io.StringIO:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return stream


def test_json_record_is_one_object_on_one_line(log: logging.Logger) -> None:
    stream = written(log, JsonFormatter())
    log.warning("it failed: %s", FORGED, extra={"fields": {"model": FORGED, "prompt": 3}})
    log.warning("cannot reach %s", "https://bob:hunter2@registry.example/v2/", extra={"fields": {"at": "a://b:c@d"}})
    log.warning("%s", "x" * 10_000_000, extra={"fields": {"id": "y" * 10_000_000}})
    lines = stream.getvalue().splitlines()
    first, second, third = map(json.loads, lines)
    assert stream.getvalue().isascii()
    assert len(lines) == 3
    assert (first["level"], first["logger"], first["message"]) == ("WARNING", "door", f"it failed: {FORGED}")
    assert (first["model"], first["prompt"]) == (FORGED, 3)
    assert first["time"].endswith("+00:00")
    assert (second["message"], second["at"]) == ("cannot reach https://…@registry.example/v2/", "a://…@d")
    assert len(lines[2]) < 5000
    assert third["id"].endswith("(10000000 characters)")


def test_json_has_tracebacks_inside(log: logging.Logger) -> None:
    stream = written(log, JsonFormatter())
    try:
        raise ValueError("at https://bob:hunter2@host")
    except ValueError:
        log.exception("unexpected error")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["traceback"].splitlines()[-1] == "ValueError: at https://…@host"


def test_field_in_text_is_one_word(log: logging.Logger) -> None:
    stream = written(log, LineFormatter("%(message)s"))
    log.warning("request", extra={"fields": {"id": "a", "key": "", "model": FORGED, "load": 0.5}})
    (line,) = stream.getvalue().splitlines()
    assert line.startswith('request id=a key=- model="x\\" outcome=done\\n')
    assert line.endswith(" load=0.5")


def test_file_is_rotated_and_private(tmp_path: Path, log: logging.Logger) -> None:
    log.addHandler(log_file(tmp_path / "log", 200))
    for number in range(100):
        log.warning("line %d of many that fill the file", number)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["log", "log.1", "log.2", "log.3", "log.4"]
    assert all(path.stat().st_size <= 200 for path in files)
    assert files[0].read_text().splitlines()[-1] == "line 99 of many that fill the file"
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_file_that_another_program_moves(tmp_path: Path, log: logging.Logger) -> None:
    log.addHandler(log_file(tmp_path / "log", 0))
    log.warning("before")
    (tmp_path / "log").rename(tmp_path / "moved")
    log.warning("after")
    assert (tmp_path / "moved").read_text() == "before\n"
    assert (tmp_path / "log").read_text() == "after\n"


def test_what_cannot_be_written_is_told_and_stops_nothing(log: logging.Logger, capsys: Any) -> None:
    log.addHandler(log_file(Path("/dev/full"), 0))
    for _ in range(50):
        log.warning("lost")
    said = capsys.readouterr().err
    assert said.startswith("the log cannot be written to /dev/full: ")
    assert len(said.splitlines()) == 1


def entries(path: Path, **wanted: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if wanted.items() <= line.items()]


def logging_server(serve: Serve) -> Server:
    world = World({"PUNA_LOG_FORMAT": "json", "OLLAMA_BASIC_AUTH": "ada:hunter2"})
    world.environment["PUNA_LOG_FILE"] = str(world.root / "puna.log")
    server = serve(world=world)
    server.session.auth = ("ada", "hunter2")
    return server


def test_each_request_is_an_object(serve: Serve) -> None:
    server = logging_server(serve)
    path = server.world.root / "puna.log"
    chat = {"model": "cria", "messages": [{"role": "user", "content": "my marker word"}], "n": 2, "max_tokens": 2}
    body = {"model": "cria", "prompt": "my marker word", "stream": False}
    body["options"] = {"num_predict": 4, "ignore_eos": True}
    embed = {"model": "cria", "input": "my marker word"}
    asked = {"loads": ("/v1/chat/completions", chat), "goes": ("/api/generate", body), "embeds": ("/api/embed", embed)}
    lines = {}
    for name, (route, sent) in asked.items():
        answer = server.post(route, sent, headers={"X-Request-Id": name, "Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        (lines[name],) = wait_for(lambda name=name: entries(path, id=name))
    loads, goes, embeds = lines["loads"], lines["goes"], lines["embeds"]
    assert all(list(line) == ["time", "level", "logger", "message", *FIELDS] for line in lines.values())
    assert (goes["message"], goes["outcome"], goes["generated"], goes["key"]) == ("request", "done", 4, "")
    assert (loads["dialect"], goes["dialect"]) == ("openai", "ollama")
    assert loads["load"] > 0, "of several choices, one of which waited for the load"
    assert goes["load"] == 0
    assert goes["speed"] > 0
    assert embeds["load"] > 0, "by a runner of its own"
    for line in lines.values():
        assert 0 <= line["wait"] + line["load"] <= line["duration"] + 0.002
    assert server.log() == "", "what is in the file is not on standard error"
    assert "marker" not in path.read_text()
    assert "hunter2" not in path.read_text()


def test_what_is_refused_has_a_line_where_more_is_logged(serve: Serve) -> None:
    server = serve({"OLLAMA_DEBUG": "1"})
    for number, (path, body) in enumerate(
        (("/api/chat", {"model": "none", "messages": []}), ("/api/generate", {"model": "cria", "options": 1}))
    ):
        assert server.post(path, body, headers={"X-Request-Id": f"mine{number}"}).status_code in (400, 404)
    lines = [line.partition("puna.api.dialect: ")[2] for line in server.log().splitlines() if "refused: " in line]
    assert lines[0] == "refused: model 'none' not found id=mine0 path=/api/chat status=404"
    assert lines[1].startswith("refused: ")
    assert lines[1].endswith(" id=mine1 path=/api/generate status=400")


def test_log_file_that_cannot_be_opened_stops_the_start(world: World) -> None:
    world.environment["PUNA_LOG_FILE"] = str(world.root / "none/puna.log")
    done = world.run("serve")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"Error: {world.root}/none/puna.log: No such file or directory"]
