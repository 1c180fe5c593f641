"""Files that go with a message: text, pictures for a model that sees, and what is refused."""

import base64
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.projector import picture
from tests.e2e.test_images import make_seeing
from tests.e2e.test_sound import make_hearing
from tests.inference.media.sounds import wav
from tests.page.steps import choose_model, expect, say
from tests.server import Server

RED = picture(255, 0, 0)
PASTE = """(box, [name, type, data]) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    const init = { bubbles: true, cancelable: true };
    box.dispatchEvent(new ClipboardEvent("paste", { ...init, clipboardData: transfer }));
    window.dispatchEvent(new DragEvent("drop", { ...init, dataTransfer: transfer }));
}"""


CELLS = """(box) => {
    const transfer = new DataTransfer();
    transfer.setData("text/plain", "a\\tb");
    transfer.setData("text/html", "<table><tr><td>a</td><td>b</td></tr></table>");
    transfer.items.add(new File(["picture"], "image.png", { type: "image/png" }));
    return box.dispatchEvent(
        new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: transfer }));
}"""


@pytest.fixture(scope="module")
def seeing(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_seeing(shared_server, tmp_path_factory.mktemp("projector"), "page-sees")


def test_pictures_are_pasted_and_dropped(seeing: str, page: Any) -> None:
    choose_model(page, seeing)
    box = page.get_by_role("textbox", name="Write a message")
    box.evaluate(PASTE, ["red.png", "image/png", base64.b64encode(RED).decode()])
    expect(page.locator(".chip img")).to_have_count(2)
    page.get_by_role("button", name="Remove Picture 1").click()
    with page.expect_request("**/api/chat") as asked:
        say(page, "What is this?")
    assert asked.value.post_data_json["messages"][0]["images"] == [base64.b64encode(RED).decode()]
    assert page.locator(".said img").evaluate("image => image.naturalWidth") > 0
    assert page.locator(".chip").count() == 0


def test_sounds_are_pasted_and_dropped(page: Any, shared_server: Server, tmp_path: Path) -> None:
    sound = base64.b64encode(wav()).decode()
    box = page.get_by_role("textbox", name="Write a message")
    box.evaluate(PASTE, ["llama.wav", "audio/wav", sound])
    page.get_by_text("cria:latest cannot hear").first.wait_for()
    assert page.locator(".chip").count() == 0
    hearing = make_hearing(shared_server, tmp_path, "page-hears")
    page.reload()
    choose_model(page, hearing)
    box.evaluate(PASTE, ["llama.wav", "audio/wav", sound])
    expect(page.locator(".chip")).to_have_count(2)
    with page.expect_request("**/api/chat") as asked:
        say(page, "What is this?")
    assert asked.value.post_data_json["messages"][0]["audio"] == [sound, sound]
    assert page.locator(".said audio").first.evaluate("audio => audio.controls")
    assert page.locator(".answer .problem").count() == 0


def test_text_goes_before_the_message(page: Any) -> None:
    files = page.locator(".composer input[type=file]")
    files.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Llamas ```hum```."})
    with page.expect_request("**/api/chat") as asked:
        say(page, "What do llamas do?")
    content = asked.value.post_data_json["messages"][0]["content"]
    assert content == "notes.txt:\n````\nLlamas ```hum```.\n````\n\nWhat do llamas do?"
    page.get_by_text("notes.txt").click()
    page.get_by_text("Llamas ```hum```.").wait_for()


def test_what_cannot_be_used_is_told(page: Any, tmp_path: Path) -> None:
    files = page.locator(".composer input[type=file]")
    files.set_input_files({"name": "red.png", "mimeType": "image/png", "buffer": RED})
    page.get_by_text("cria:latest cannot see pictures.").wait_for()
    files.set_input_files({"name": "a.bin", "mimeType": "application/octet-stream", "buffer": b"\x00\xff"})
    page.get_by_text("a.bin is neither a picture").wait_for()
    assert page.locator(".chip").count() == 0


def test_text_that_has_a_picture_beside_is_pasted_as_text(page: Any) -> None:
    """As cells of a spreadsheet are copied."""
    box = page.get_by_role("textbox", name="Write a message")
    left_to_the_browser = box.evaluate(CELLS)
    assert left_to_the_browser
    page.wait_for_timeout(200)
    assert page.locator(".chip, .notice").count() == 0
