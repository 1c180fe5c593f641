"""Take the pictures of the page in the documentation: ``python scripts/screenshots.py``, with the extra ``test``.

A real server with the built-in model answers; its answers are the same each time.
"""

import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import puna

IMAGES = Path(__file__).parents[1] / "docs/guide/images"
QUESTIONS = {"en": "Why is the sky blue?", "zh": "为什么天空是蓝色的?"}
VIEWS = {"models": 1.5, "now": 20}
"""Views, and the seconds after which there is something to be seen in them."""
_LOCALES = {"en": "en-US", "zh": "zh-CN"}
_WAIT = 60_000


def take(out: Path) -> None:
    """Write the pictures into the directory ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    with puna.Server() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for language, locale in _LOCALES.items():
            suffix = "" if language == "en" else f"-{language}"
            page = browser.new_page(locale=locale, viewport={"width": 1100, "height": 640})
            page.set_default_timeout(_WAIT)
            page.goto(server.url)
            _ask(page, QUESTIONS[language])
            page.screenshot(path=out / f"chat{suffix}.png")
            for name, seconds in VIEWS.items():
                page.goto(f"{server.url}/#/{name}")
                page.wait_for_timeout(seconds * 1000)
                page.screenshot(path=out / f"{name}{suffix}.png")
            page.close()
        browser.close()


def _ask(page: Any, question: str) -> None:
    page.get_by_role("textbox").last.fill(question)
    page.keyboard.press("Enter")
    page.locator(".answer .facts").first.wait_for()


if __name__ == "__main__":
    take(IMAGES)
