"""Models on the page: listed, pulled, copied, made from a Modelfile, verified, mended and deleted."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.models.registry.servers import docker_registry
from tests.page.steps import expect
from tests.server import Server, wait_for


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def models(open_page: Any) -> Any:
    """The page's view of models."""
    return open_page("/#/models", allowed="400 (Bad Request)")


def act(page: Any, model: str, action: str) -> None:
    page.get_by_role("button", name=f"Actions for {model}").click()
    page.get_by_role("menuitem", name=action).click()


def test_model_is_listed_with_what_it_can_and_needs(models: Any) -> None:
    row = models.locator(".model").filter(has=models.get_by_role("link", name="cria", exact=True)).first
    row.wait_for()
    row.get_by_text("Fits: 8.8 MB of").wait_for()
    for text in ("8.13M", "Q8_0", "8,192 tokens", "functions", "thinks"):
        assert row.get_by_text(text, exact=True).is_visible()
    row.get_by_role("link", name="cria").click()
    models.get_by_role("heading", name="cria").wait_for()
    models.locator("dialog").get_by_text("llama", exact=True).wait_for()
    models.keyboard.press("Escape")
    models.locator("dialog").wait_for(state="detached")
    row.get_by_role("button", name="Chat").click()
    models.get_by_role("textbox", name="Write a message").wait_for()


def test_model_is_made_from_a_modelfile_after_a_fault_at_its_line(models: Any, server: Server) -> None:
    models.get_by_role("button", name="Create a model").click()
    models.get_by_label("New name").fill("page-made")
    field = models.get_by_role("textbox", name="Modelfile")
    make = models.locator("dialog").get_by_role("button", name="Create a model")
    for text, line in (
        ("FROM cria\n\nPARAMETER temprature 1\n", 3),
        ("FROM cria\nPARAMETER top_p 7\n", 2),
        ("FROM cria\nTEMPLATE {{ .Prompt\n", 2),
        ("FROM cria\nADAPTER ./lora.gguf\n", 2),
        ("FROM cria\nNONSENSE x\n", 2),
    ):
        field.fill(text)
        make.click()
        models.get_by_role("alert").get_by_text(f"(line {line})").wait_for()
        assert models.locator(".numbers .wrong").inner_text() == str(line)
    field.fill('FROM cria\nPARAMETER temperature 0.5\nSYSTEM """You are\na llama."""\n')
    make.click()
    models.get_by_text("page-made is made.").wait_for()
    shown = server.ask("/api/show", {"model": "page-made"})
    assert shown["system"] == "You are\na llama."
    act(models, "page-made", "Copy…")
    models.get_by_label("New name").fill("page-copy")
    models.get_by_role("button", name="Copy", exact=True).click()
    models.locator(".model", has_text="page-copy").wait_for()
    for name in ("page-made", "page-copy"):
        act(models, name, "Delete")
        models.get_by_role("button", name="Delete", exact=True).click()
        expect(models.locator(".model", has_text=name)).to_have_count(0)


def test_model_is_pulled_with_progress(models: Any, server: Server, registry: str) -> None:
    name = f"http://{registry}/me/pulled"
    plain = f"{registry}/me/pulled"
    assert server.post("/api/copy", {"source": "cria", "destination": plain}).status_code == 200
    server.ask("/api/push", {"model": plain, "insecure": True, "stream": False})
    server.request("DELETE", "/api/delete", {"model": plain})
    models.get_by_role("textbox", name="Model to pull").fill(name)
    models.get_by_role("button", name="Pull", exact=True).click()
    models.locator(".pull", has_text="here").wait_for()
    models.locator(".model", has_text="me/pulled").wait_for()
    models.get_by_role("button", name=f"Take {name} off the list").click()
    wait_for(lambda: models.locator(".pull").count() == 0)
    server.request("DELETE", "/api/delete", {"model": plain})


def test_pull_that_fails_can_be_resumed_after_a_reload(models: Any) -> None:
    models.get_by_role("textbox", name="Model to pull").fill("127.0.0.1:9/none")
    models.get_by_role("button", name="Pull", exact=True).click()
    models.get_by_role("alert").wait_for()
    models.reload()
    models.get_by_role("button", name="Resume").click()
    models.get_by_role("alert").wait_for()
    assert "failed" in models.locator(".pull").inner_text()


def test_damage_is_found_and_mended(models: Any, server: Server) -> None:
    text = "page-damaged ".ljust(99, "x")
    server.ask("/api/create", {"model": "page-damaged", "from": "cria", "system": text, "stream": False})
    digest = hashlib.sha256(text.encode()).hexdigest()
    damaged = Path(server.world.models) / "blobs" / f"sha256-{digest}"
    models.reload()
    act(models, "page-damaged", "Verify")
    models.locator("dialog").get_by_text("are right").wait_for()
    models.locator("dialog").get_by_role("button", name="Close").click()
    damaged.write_bytes(b"y" * 99)
    act(models, "page-damaged", "Verify")
    models.locator("dialog").get_by_text("damaged", exact=True).wait_for()
    assert models.get_by_role("button", name="Repair").is_visible()
    damaged.unlink(missing_ok=True)
    server.request("DELETE", "/api/delete", {"model": "page-damaged"})
