"""The page in headless Chromium. Whatever it logs as an error, or asks another host for, fails the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.server import Server
from tests.system import require, require_module

PATIENCE = 45_000
"""Milliseconds, for machines that are busy with other work."""
CRIA = {"name": "puna.models", "value": '["cria:latest"]'}
"""The model of new conversations: of those that others made on the shared server, some go on and on."""
OpenPage = Callable[..., Any]


@pytest.fixture(scope="module")  # as long as it is open, no event loop of other tests can run
def chromium() -> Iterator[Any]:
    """The browser, for all tests."""
    sync_api = require_module("playwright.sync_api", extra="test")
    path = require("chromium", "chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any, server: Server) -> Iterator[OpenPage]:
    """A function that opens the page of the shared server, or of another one, in a browser that kept one model."""
    contexts, faults = [], []

    def opened(path: str = "/", of: Server | None = None, allowed: str = "", **how: Any) -> Any:
        """``allowed`` is in the errors that are part of the test."""
        base = (of or server).url
        kept = {"origins": [{"origin": base, "localStorage": [CRIA]}]}
        usual = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US", "storage_state": kept}
        context = chromium.new_context(**(usual | how))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)

        def check(kind: str, text: str) -> None:
            if not allowed or allowed not in text:
                faults.append(f"{kind}: {text}")

        page.on("console", lambda message: message.type == "error" and check("console", message.text))
        page.on("pageerror", lambda error: check("exception", str(error)))
        page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: faults.append(f"popup: {popup.url}"))
        page.on("request", lambda request: outside(request.url) and faults.append(f"outside: {request.url}"))
        page.on("framenavigated", lambda frame: outside(frame.url) and faults.append(f"navigated: {frame.url}"))

        def outside(url: str) -> bool:
            return not url.startswith((base, "data:", "blob:", "about:"))

        page.goto(base + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page: OpenPage) -> Any:
    """The page, in English, 1280 pixels wide."""
    return open_page()
