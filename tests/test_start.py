"""What an idle server and a command load: imports are most of their start and of their memory."""

import subprocess
import sys

LOADED = "import sys; {}; print(*sys.modules)"


def modules_after(statement: str) -> set[str]:
    output = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement)], capture_output=True, text=True, check=True
    )
    return set(output.stdout.split())


def test_server_does_without_what_few_requests_need() -> None:
    heavy = {"numpy", "gguf", "cryptography", "ollama", "httpx", "rich", "prompt_toolkit", "xllamacpp"}
    assert not heavy & modules_after("import puna.cli.main, puna.cli.serve, puna.api.server")


def test_port_is_taken_before_the_server_is_loaded() -> None:
    assert not {"fastapi", "aiohttp", "uvicorn"} & modules_after("import puna.cli.main, puna.cli.serve")


def test_engine_process_loads_nothing_of_the_server() -> None:
    assert not {"asyncio", "fastapi", "aiohttp", "numpy"} & modules_after("import puna.engine.embedded")
