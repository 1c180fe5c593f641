"""For everybody: both languages, both themes, every width, by keyboard alone, for screen readers, with credentials."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.keys.conftest import key_of
from tests.page.steps import answered, expect, prose, say, settings
from tests.server import Server

AXE = Path(__file__).with_name("vendor") / "axe.js"
FINDINGS = """async () => {
    const found = await axe.run(document, { resultTypes: ['violations'] });
    return found.violations.map((entry) => `${entry.impact}: ${entry.id}: ${entry.nodes[0].html}`);
}"""
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
SIZES = {
    "phone": PHONE | {"locale": "zh-CN"},
    "dark": {"color_scheme": "dark", "locale": "zh-CN"},
    "4K": {"viewport": {"width": 3840, "height": 2160}},
}


def findings(page: Any) -> list[str]:
    page.evaluate(AXE.read_text())
    return list(page.evaluate(FINDINGS))


@pytest.mark.parametrize("size", SIZES)
def test_nothing_hinders_anybody(open_page: Any, size: str) -> None:
    page = open_page(**SIZES[size])
    box = page.locator(".composer textarea")
    box.wait_for()
    found = findings(page)
    box.fill("Why is the sky blue?")
    page.locator(".send").click()
    page.locator(".answer").wait_for()
    answered(page)
    found += findings(page)
    page.locator(".view-head button[aria-expanded]").click()
    page.locator(".panel").wait_for()
    assert page.locator(".panel").bounding_box()["width"] > 300
    found += findings(page)
    assert page.evaluate(OVERFLOW) <= 0
    for view in ("models", "now", "usage"):
        page.goto(page.url.partition("#")[0] + f"#/{view}")
        page.locator(".page-body .model, .page-body .filters").first.wait_for()
        found += findings(page)
        assert page.evaluate(OVERFLOW) <= 0
    assert found == []


WIDER = """() => [document.documentElement, ...document.querySelectorAll(".page-body, .log")]
    .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.className)"""
LONG = "hf.co/some-organization/Some-Very-Long-Model-Name-Instruct-2507-GGUF:Q4_K_M"


def test_long_names_and_words_fit_a_phone(open_page: Any, server: Server) -> None:
    brief = {"model": LONG, "from": "cria", "parameters": {"num_predict": 30}, "stream": False}
    server.ask("/api/create", brief)  # of what it is asked here it might repeat parts for ever
    server.ask("/api/generate", {"model": LONG, "prompt": "Hi", "stream": False, "options": {"num_predict": 2}})
    page = open_page(**PHONE, allowed="404")
    page.get_by_label("Model", exact=True).first.select_option(LONG)
    say(page, "x" * 300 + " Repeat this: " + "https://example.com/" + "y" * 200)
    page.get_by_role("button", name="Let another model answer beside").click()
    assert page.evaluate(WIDER) == []
    for view in ("models", "now", "usage"):
        page.goto(page.url.partition("#")[0] + f"#/{view}")
        page.locator(".page-body .model, .page-body .filters").first.wait_for()
        if view == "models":
            page.get_by_role("textbox", name="Model to pull").fill(f"http://127.0.0.1:9/{'z' * 70}/{'z' * 70}")
            page.get_by_role("button", name="Pull", exact=True).click()
            page.locator(".pull [role=alert]").wait_for()
        assert page.evaluate(WIDER) == [], view
    server.request("DELETE", "/api/delete", {"model": LONG})


def test_language_follows_the_browser_and_the_choice(open_page: Any) -> None:
    page = open_page(locale="zh-CN")
    page.get_by_role("textbox", name="输入消息").wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("button", name="偏好设置").click()
    page.get_by_label("语言").select_option("en")
    page.get_by_role("heading", name="Preferences").wait_for()
    page.reload()
    page.get_by_role("textbox", name="Write a message").wait_for()


def test_theme_follows_the_system_and_the_choice(open_page: Any) -> None:
    page = open_page(color_scheme="dark")
    page.get_by_role("textbox", name="Write a message").wait_for()
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Preferences").click()
    page.get_by_label("Theme").select_option("light")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light


def test_keyboard_alone_will_do(page: Any) -> None:
    box = page.get_by_role("textbox", name="Write a message")
    expect(box).to_be_focused()
    box.focus()
    page.keyboard.type("Why is the sky blue?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Tell me.")
    page.keyboard.press("Enter")
    page.locator(".answer").wait_for()
    answered(page)
    assert page.locator(".bubble").inner_text() == "Why is the sky blue?\nTell me."
    again = page.get_by_role("button", name="Answer again")
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if again.evaluate("element => element === document.activeElement"):
            break
    expect(again).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_text("2/2").wait_for()
    answered(page)
    toggle = page.get_by_role("button", name="Settings of this conversation")
    toggle.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary")).to_be_focused()
    page.keyboard.press("Escape")
    expect(toggle).to_be_focused()
    menu = page.get_by_role("button", name="Import and export")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Export all as JSON")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()


def test_what_is_sent_before_the_models_are_listed_waits_for_them(open_page: Any) -> None:
    page = open_page("/page-is-not-there", allowed="404", storage_state=None)  # no model was chosen before
    held: list[Any] = []
    page.route("**/api/tags", lambda route: held.append(route))  # a method has no place for what is added to it
    page.goto(page.url.removesuffix("page-is-not-there"))
    box = page.get_by_role("textbox", name="Write a message")
    box.fill("Why is the sky blue?")
    page.keyboard.press("Enter")
    assert box.input_value() == "Why is the sky blue?"
    held[0].continue_()
    page.locator(".answer").wait_for()
    answered(page)
    assert prose(page)


def test_password_is_asked_for_in_the_page(serve: Serve, open_page: Any) -> None:
    server = serve({"OLLAMA_BASIC_AUTH": "me:sécret"})
    page = open_page(of=server, allowed="401 (Unauthorized)")
    for given in ("me:wrong", "me:sécret"):
        page.get_by_label("API key or login").fill(given)
        with page.expect_response("**/api/tags") as answered_with:
            page.get_by_role("button", name="Keep").click()
    assert answered_with.value.status == 200
    say(page, "Why is the sky blue?")
    assert prose(page)


def test_the_page_alone_is_open_to_everybody(serve: Serve) -> None:
    server = serve({"OLLAMA_BASIC_AUTH": "me:secret"})
    browser = {"Accept": "text/html"}
    page = server.get("/", headers=browser)
    assert (page.status_code, page.headers["www-authenticate"]) == (401, 'Bearer realm="Puna"')
    assert server.get("/", headers=browser, auth=("me", "secret")).status_code == 200
    (script,) = re.findall(r'src="(/page/[^"]+/app/main.js)"', page.text)
    assert server.get(script).status_code == 200
    refused = [server.get("/"), server.get("/api/tags", headers=browser), server.post("/", headers=browser)]
    refused += [server.get("/page", headers=browser), server.get("/page/../api/tags")]
    assert [response.status_code for response in refused] == [401] * 5
    assert refused[0].headers["www-authenticate"].startswith("Basic ")
    # A browser would ask by itself beside the page.
    by_script = server.get("/api/tags", headers={"X-Requested-With": "XMLHttpRequest"})
    assert (by_script.status_code, by_script.headers["www-authenticate"]) == (401, 'Bearer realm="Puna"')


def test_key_is_sent_with_every_request(page: Any) -> None:
    page.get_by_role("button", name="Preferences").click()
    page.get_by_label("API key").fill("sk-of-mine")
    page.get_by_role("button", name="Keep").click()
    page.reload()
    with page.expect_request("**/api/chat") as asked:
        say(page, "Hello!")
    assert asked.value.headers["authorization"] == "Bearer sk-of-mine"


def test_server_that_is_gone_is_told(serve: Serve, open_page: Any) -> None:
    server = serve()
    page = open_page(of=server, allowed="ERR_CONNECTION_REFUSED")
    page.get_by_label("Model", exact=True).wait_for()
    server.stop()
    say(page, "Hello!")
    assert "puna serve" in page.get_by_role("alert").inner_text()
    page.get_by_role("link", name="Now").click()
    expect(page.get_by_role("alert")).to_contain_text("puna serve")


def test_address_that_is_no_escape_is_read_as_it_is(open_page: Any) -> None:
    page = open_page("/#/models/50%", allowed="400 (Bad Request)")
    page.locator("dialog").get_by_role("heading", name="50%").wait_for()


def test_keys_of_an_input_method_are_left_to_it(page: Any) -> None:
    """Safari tells of the Enter that takes a word by its code alone, and sent the message that was not yet written."""
    say(page, "Hello!")
    field = page.get_by_role("textbox", name="Write a message")
    field.fill("ni hao")
    key = """(field, key) => field.dispatchEvent(
        new KeyboardEvent("keydown", { key, keyCode: 229, bubbles: true, cancelable: true }))"""
    field.evaluate(key, "Enter")
    page.get_by_role("button", name="Edit").click()
    edited = page.locator(".editing textarea")
    edited.evaluate(key, "Escape")
    panel = settings(page)
    panel.get_by_label("System prompt").evaluate(key, "Escape")
    page.get_by_role("button", name="Actions for Hello!").click()
    page.get_by_role("menuitem", name="Rename").click()
    renamed = page.get_by_role("textbox", name="Rename")
    renamed.evaluate(key, "Enter")
    assert (field.input_value(), edited.input_value(), renamed.input_value()) == ("ni hao", "Hello!", "Hello!")
    assert panel.is_visible()


def test_key_that_no_header_takes_is_asked_for_again(serve: Serve, open_page: Any) -> None:
    server = serve()
    key = key_of(server.world, "ci")
    page = open_page(of=server, allowed="401 (Unauthorized)")
    for given in ("puna_…", key):
        page.get_by_label("API key or login").fill(given)
        page.get_by_role("button", name="Keep").click()
    say(page, "Why is the sky blue?")
    assert prose(page)


def test_views_are_filled_once_the_key_is_given(serve: Serve, open_page: Any) -> None:
    server = serve()
    key = key_of(server.world, "boss", scopes=["admin"])
    for view, shown in (("usage", "Nothing was used"), ("models", "Uses "), ("models/cria:latest", "Modelfile")):
        page = open_page(f"/#/{view}", of=server, allowed="401 (Unauthorized)")
        page.get_by_label("API key or login").fill(key)
        page.get_by_role("button", name="Keep").click()
        page.get_by_text(shown).first.wait_for()
        assert page.locator(".notice, .problem").count() == 0


def test_key_sees_now_what_it_may(serve: Serve, open_page: Any) -> None:
    """Of what a key may not ask nothing was shown, and nothing else either."""
    server = serve()
    for scope, sees in (("infer", 1), ("pull", 0)):
        key = key_of(server.world, scope, scopes=[scope])
        page = open_page("/#/now", of=server, allowed="40")
        page.get_by_label("API key or login").fill(key)
        page.get_by_role("button", name="Keep").click()
        page.get_by_text("No request runs or waits.").wait_for()
        assert page.get_by_role("heading", name="Last requests").count() == sees
        assert page.get_by_role("heading", name="Saved conversations").count() == 0
        expect(page.locator(".problem")).to_have_count(0)
