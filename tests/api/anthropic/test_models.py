"""``/v1/models`` in Anthropic's shape."""

import anthropic
import pytest
from anthropic.types import ModelInfo
from tests.server import Server

from puna.api.anthropic.models import page
from puna.errors import BadRequestError

VERSION = {"anthropic-version": "2023-06-01"}


def test_official_client_lists_models(server: Server, client: anthropic.Anthropic) -> None:
    listed = {model.id: model for model in client.models.list(limit=1)}
    assert "cria:latest" in listed
    one = client.models.retrieve("cria:latest")
    assert one == listed["cria:latest"]
    assert (one.max_input_tokens, one.max_tokens, one.lifecycle) == (2048, 2048, "active")
    assert one.capabilities
    assert one.capabilities.thinking.supported
    assert not one.capabilities.image_input.supported
    text = server.get("/v1/models/cria:latest", headers=VERSION).content
    assert ModelInfo.model_validate_json(text, strict=True).id == "cria:latest"


def test_errors_are_of_the_dialect_that_is_spoken(server: Server, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nope")
    assert server.get("/v1/models/nope", headers=VERSION).json()["type"] == "error"
    assert "type" not in server.get("/v1/models/nope").json()
    for limit in ("0", "x", "\u0663", "9" * 5000):
        refused = server.get(f"/v1/models?limit={limit}", headers=VERSION)
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")


def test_pages() -> None:
    entries = [{"id": name} for name in "abcde"]

    def shown(**query: str) -> tuple[str, bool]:
        found = page(entries, query)
        names = "".join(entry["id"] for entry in found["data"])
        assert (found["first_id"], found["last_id"]) == ((names[0], names[-1]) if names else (None, None))
        return names, found["has_more"]

    assert shown() == ("abcde", False)
    assert shown(limit="2") == ("ab", True)
    assert shown(limit="2", after_id="b") == ("cd", True)
    assert shown(limit="2", after_id="d") == ("e", False)
    assert shown(limit="2", before_id="e") == ("cd", True)
    assert shown(limit="9", before_id="c") == ("ab", False)
    assert shown(after_id="e") == ("", False)
    for wrong in ({"limit": "x"}, {"limit": "1001"}, {"after_id": "z"}, {"before_id": "z"}):
        with pytest.raises(BadRequestError):
            page(entries, wrong)
