"""Pictures among the blocks of a message, with a model that sees."""

import base64
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.anthropic.asking import ask, ask_stream, counted, prompt_tokens, refused, said
from tests.conftest import Serve
from tests.e2e.projector import picture
from tests.e2e.test_images import make_seeing
from tests.server import Server

RED = picture(255, 0, 0)
DATA = base64.b64encode(RED).decode()
TEXT = {"type": "text", "text": "What is this?"}
PATCHES = 4


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


BASE64 = image(type="base64", media_type="image/png", data=DATA)


@pytest.fixture(scope="module")
def seeing(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_seeing(shared_server, tmp_path_factory.mktemp("projector"), "anthropic-seeing")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A web server on this machine that has one picture."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(RED)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{served.server_port}"
        served.shutdown()


def asked(*blocks: Any, **more: Any) -> dict[str, Any]:
    return said(messages=[{"role": "user", "content": list(blocks)}], max_tokens=2, **more)


@pytest.mark.parametrize("asking", [ask, ask_stream])
def test_picture_is_part_of_the_prompt(server: Server, seeing: str, asking: Any) -> None:
    without = prompt_tokens(asking(server, asked(TEXT, model=seeing)))
    by_data = image(type="url", url=f"data:image/png;base64,{DATA}")
    for blocks in ([BASE64, TEXT], [TEXT, by_data]):
        body = asked(*blocks, model=seeing)
        assert prompt_tokens(asking(server, body)) >= without + PATCHES
        assert counted(server, body) == prompt_tokens(asking(server, body))


def test_picture_in_a_result(server: Server, seeing: str) -> None:
    def turns(*content: Any) -> dict[str, Any]:
        use = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": [TEXT, *content]}
        messages = [("user", "look"), ("assistant", [use]), ("user", [result])]
        told = [{"role": role, "content": blocks} for role, blocks in messages]
        return said(messages=told, tools=[{"name": "look", "input_schema": {"type": "object"}}], model=seeing)

    assert counted(server, turns(BASE64)) >= counted(server, turns()) + PATCHES


def test_picture_by_url(serve: Serve, site: str, tmp_path: Any) -> None:
    server = serve({"PUNA_MEDIA_HOSTS": site})
    model = make_seeing(server, tmp_path, "seeing")
    body = asked(image(type="url", url=f"http://{site}/a.png"), TEXT, model=model)
    assert prompt_tokens(ask(server, body)) == counted(server, asked(BASE64, TEXT, model=model))


def test_picture_on_a_private_network_is_not_fetched(server: Server, site: str) -> None:
    assert "private network" in refused(server, asked(image(type="url", url=f"http://{site}/a.png")))
    assert "http(s)" in refused(server, asked(image(type="url", url="file:///etc/passwd")))


def test_model_that_does_not_see(server: Server) -> None:
    assert refused(server, asked(BASE64, TEXT)) == '"cria" does not support images'
