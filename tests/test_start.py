"""What an idle server and a command load: imports are most of their start and of their memory."""

import subprocess
import sys
import time

import psutil
from tests.server import Server, World

SERVER = "import puna.cli.main, puna.cli.serve, puna.api.server"
CREATED = f"{SERVER}; from puna.settings import Settings; puna.api.app.create_app(Settings.from_env({{}}))"
LOADED = "import sys; {}; print(*sys.modules)"
_IDLE_BYTES = 65e6


def modules_after(statement: str) -> set[str]:
    output = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement)], capture_output=True, text=True, check=True
    )
    return set(output.stdout.split())


def test_server_does_without_what_few_requests_need() -> None:
    heavy = {"numpy", "gguf", "cryptography", "ollama", "httpx", "rich", "prompt_toolkit", "xllamacpp", "websockets"}
    assert not heavy & modules_after(CREATED)


def test_an_idle_server_speaks_no_dialect_yet_and_to_nobody() -> None:
    loaded = modules_after(CREATED)
    assert not {"aiohttp", "typer", "puna.net.guard", "puna.cli.commands"} & loaded
    dialects = ("puna.api.ollama.", "puna.api.openai.", "puna.api.anthropic.", "puna.api.puna.")
    assert {name for name in loaded if name.startswith(dialects)} <= {"puna.api.anthropic.models"}


def test_an_idle_server_is_small() -> None:
    world = World()
    server = Server(world)
    try:
        time.sleep(0.5)
        held = psutil.Process(server.process.pid).memory_info().rss
        assert held <= _IDLE_BYTES
    finally:
        server.stop()
    assert world.close() == []


def test_port_is_taken_before_the_server_is_loaded() -> None:
    assert not {"fastapi", "aiohttp", "uvicorn"} & modules_after("import puna.cli.main, puna.cli.serve")


def test_engine_process_loads_nothing_of_the_server() -> None:
    assert not {"asyncio", "fastapi", "aiohttp", "numpy"} & modules_after("import puna.engine.embedded")
