"""Pictures in messages and in what tools return, for a model that sees, by either path."""

import base64
from typing import Any

import pytest
from tests.e2e.projector import picture
from tests.e2e.prompting import GO_TEMPLATE
from tests.e2e.test_images import PATCHES, make_seeing
from tests.openai_responses.shapes import whole
from tests.server import Server

RED = "data:image/png;base64," + base64.b64encode(picture(255, 0, 0)).decode()


@pytest.fixture(scope="module", params=["engine", "go"])
def seeing(request: pytest.FixtureRequest, shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    recipe = {"template": GO_TEMPLATE} if request.param == "go" else {}
    folder = tmp_path_factory.mktemp("projector")
    return make_seeing(shared_server, folder, f"seeing-responses-{request.param}", **recipe)


def tokens(server: Server, model: str, *items: dict[str, Any]) -> int:
    body = {"input": list(items), "max_output_tokens": 2, "store": False}
    count: int = whole(server, model=model, **body)["usage"]["input_tokens"]
    return count


def test_pictures_are_part_of_the_prompt(server: Server, seeing: str) -> None:
    text, image = {"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": RED}
    plain = tokens(server, seeing, {"role": "user", "content": [text]})
    assert tokens(server, seeing, {"role": "user", "content": [text, image]}) >= plain + PATCHES


def test_pictures_that_tools_return_are_seen(server: Server, seeing: str) -> None:
    question = {"role": "user", "content": "Look"}
    call = {"type": "function_call", "call_id": "1", "name": "view_image", "arguments": '{"path":"a.png"}'}

    def output(*parts: dict[str, Any]) -> dict[str, Any]:
        return {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "a"}, *parts]}

    plain = tokens(server, seeing, question, call, output())
    seen = tokens(server, seeing, question, call, output({"type": "input_image", "image_url": RED}))
    assert seen >= plain + PATCHES
