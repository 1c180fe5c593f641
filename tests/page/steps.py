"""What somebody does on the page, step by step."""

import re
from typing import Any

from tests.system import require_module

expect = require_module("playwright.sync_api", extra="test").expect
expect.set_options(timeout=45_000)
"""Waits until something is so, without a script in the page, which its policy would not let run."""


def say(page: Any, text: str, *, wait: bool = True) -> None:
    """Write a message and send it, and wait for the answers."""
    page.get_by_label("Model", exact=True).first.wait_for()
    before = page.locator(".answer").count()
    page.get_by_role("textbox", name="Write a message").fill(text)
    page.keyboard.press("Enter")
    page.locator(".answer").nth(before).wait_for()
    if wait:
        answered(page)


def answered(page: Any) -> None:
    """Wait until no answer is under way."""
    expect(page.locator(".answer.busy")).to_have_count(0)


def choose_model(page: Any, name: str) -> None:
    """Let a model answer."""
    page.get_by_label("Model", exact=True).first.select_option(f"{name}:latest")


def settings(page: Any) -> Any:
    """Open or close the conversation's settings, and return them."""
    page.get_by_role("button", name="Settings of this conversation").click()
    return page.get_by_role("complementary")


def option(page: Any, name: str, value: str) -> None:
    """Set an option of the conversation."""
    panel = settings(page)
    field = panel.get_by_label(re.compile(rf"^{name}( from the model)?$"))
    if not field.is_visible():
        panel.get_by_text("more options").click()
    if field.evaluate("element => element.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)
    settings(page)


def prose(page: Any) -> str:
    """Return the text of the last answer, which is drawn a moment after the answer has ended."""
    place = page.locator(".answer .prose.content").last
    expect(place).not_to_be_empty()
    text: str = place.inner_text()
    return text


def take_in(page: Any, name: str, text: str) -> None:
    """Import a file and open the first conversation."""
    chooser = page.locator(".brand input[type=file]")
    entries = page.locator(".conversations a")
    before = entries.count()
    chooser.set_input_files({"name": name, "mimeType": "application/json", "buffer": text.encode()})
    entries.nth(before).wait_for()
    entries.first.click()
    page.locator(".turn").first.wait_for()
