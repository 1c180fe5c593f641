"""Conversations stay in the browser: found again, renamed, deleted, and taken out and in as files."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.page.steps import answered, choose_model, expect, option, prose, say, take_in

QUESTION = "Why is the sky blue?"
MESSAGES = [
    {"role": "system", "content": "You are a llama."},
    {"role": "user", "content": "What is **this**?"},
    {"role": "assistant", "content": "A plateau.\n\n## user\n\nNot a turn."},
]
KEPT = """new Promise((resolve) => {
    indexedDB.open("puna").onsuccess = (event) => {
        const store = event.target.result.transaction("messages").objectStore("messages");
        store.count().onsuccess = (found) => resolve(found.target.result);
    };
})"""
"""How many messages the browser has."""


def download(page: Any, entry: str, item: str) -> str:
    """Return what a menu of a conversation gives."""
    page.get_by_role("button", name=entry).click()
    with page.expect_download() as given:
        page.get_by_role("menuitem", name=item).click()
    return Path(given.value.path()).read_text(encoding="utf-8")


def test_an_answer_is_kept_as_soon_as_it_is_shown_as_done(page: Any) -> None:
    page.route("**/api/puna/requests", lambda route: None)  # what else is told of it never comes
    say(page, QUESTION)
    answer = prose(page)
    page.unroute("**/api/puna/requests")
    page.reload()
    expect(page.locator(".answer .prose.content").last).to_have_text(answer)


def test_conversation_is_kept_found_renamed_and_deleted(page: Any) -> None:
    say(page, QUESTION)
    answer = prose(page)
    page.reload()
    expect(page.locator(".answer .prose.content").last).to_have_text(answer)
    page.get_by_role("button", name="New chat").click()
    say(page, "Hello!")
    entries = page.locator(".conversations a")
    assert entries.all_inner_texts() == ["Hello!", QUESTION]
    page.get_by_role("searchbox").fill("SKY IS")
    expect(entries).to_have_text([QUESTION])
    page.get_by_role("searchbox").fill("nowhere to be found")
    page.get_by_text("Nothing found.").wait_for()
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Actions for Hello!").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("textbox", name="Rename").fill("Greeting")
    page.keyboard.press("Enter")
    expect(entries).to_have_text(["Greeting", QUESTION])
    page.get_by_role("button", name="Actions for Greeting").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("textbox", name="Rename").fill("Better not")
    page.keyboard.press("Escape")
    expect(entries).to_have_text(["Greeting", QUESTION])
    page.get_by_role("button", name="Actions for Greeting").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(entries).to_have_text([QUESTION])
    page.reload()
    expect(entries).to_have_text([QUESTION])


def test_files_bring_back_what_was_taken_out(page: Any) -> None:
    take_in(page, "messages.json", json.dumps({"model": "cria:latest", "messages": MESSAGES}))
    page.get_by_text("A plateau.").wait_for()
    kept = download(page, "Actions for What is", "Export as JSON")
    markdown = download(page, "Actions for What is", "Export as Markdown")
    assert "> You are a llama." in markdown
    for name, text in (("kept.json", kept), ("kept.md", markdown)):
        take_in(page, name, text)
        page.get_by_text("Not a turn.").wait_for()
        assert page.locator(".turn").count() == 2
        assert page.locator(".bubble").inner_text() == "What is **this**?"
    assert page.locator(".conversations a").count() == 3
    assert len(json.loads(download(page, "Import and export", "Export all as JSON"))["conversations"]) == 3


def test_file_that_is_none_is_refused(page: Any) -> None:
    chooser = page.locator(".brand input[type=file]")
    for text in ("{]", "# Only a title\n", '{"kind": "puna.conversations", "conversations": [{}]}'):
        chooser.set_input_files({"name": "x.json", "mimeType": "application/json", "buffer": text.encode()})
        page.get_by_text("This file cannot be read").last.wait_for()
        page.locator(".notice").get_by_role("button", name="Close").last.click()
        expect(page.locator(".notice")).to_have_count(0)
    assert page.locator(".conversations a").count() == 0


def test_branches_come_back_with_a_conversation(page: Any) -> None:
    say(page, QUESTION)
    page.get_by_role("button", name="Answer again").click()
    page.get_by_text("2/2").wait_for()
    expect(page.locator(".answer.busy")).to_have_count(0)
    kept = download(page, f"Actions for {QUESTION}", "Export as JSON")
    take_in(page, "kept.json", kept)
    page.get_by_text("2/2").wait_for()


@pytest.mark.parametrize("where", ["here", "another tab"])
def test_answer_under_way_goes_with_its_conversation(page: Any, where: str) -> None:
    """What the model had said by then was written once more behind the deletion, and stayed for ever."""
    option(page, "num_predict", "20000")
    option(page, "ignore_eos", "true")
    say(page, QUESTION, wait=False)
    expect(page.locator(".answer .prose.content")).not_to_be_empty()
    tab = page if where == "here" else page.context.new_page()
    if tab is not page:
        tab.goto(page.url.partition("#")[0])
    tab.get_by_role("button", name=f"Actions for {QUESTION}").click()
    tab.get_by_role("menuitem", name="Delete").click()
    tab.get_by_role("button", name="Delete", exact=True).click()
    expect(tab.locator(".conversations a")).to_have_count(0)
    if tab is not page:
        page.locator(".send").click(force=True)  # it moves while text comes
        answered(page)
    page.wait_for_timeout(500)
    assert page.evaluate(KEPT) == 0


def test_browser_that_keeps_nothing_is_told_of_once(open_page: Any) -> None:
    page = open_page()
    page.context.add_init_script("IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError') }")
    page.reload()
    say(page, QUESTION)
    notices = page.locator(".notice")
    expect(notices).to_have_text(["This browser does not let the page keep conversations."])
    page.get_by_role("button", name="New chat").click()
    page.locator(".conversations a").click()
    page.get_by_text("What shall we talk about?").wait_for()
    page.get_by_role("searchbox").fill("blue")
    expect(page.locator(".conversations a")).to_have_text([QUESTION])
    page.get_by_role("button", name=f"Actions for {QUESTION}").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".conversations a")).to_have_count(0)


def test_list_of_messages_keeps_calls_and_goes_on_with_a_model_from_here(page: Any) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}
    messages = [
        {"role": "system", "content": "You are a llama."},
        {"role": "system", "content": "You hum."},
        {"role": "user", "content": "Is it cold in Oslo?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_name": "get_weather", "content": "3 degrees"},
        {"role": "assistant", "content": "It is."},
    ]
    take_in(page, "messages.json", json.dumps(messages))
    page.get_by_text("calls get_weather").wait_for()
    choose_model(page, "cria")
    expect(page.locator(".answer .who").last).to_have_text("Assistant", ignore_case=True)
    with page.expect_request("**/api/chat") as asked:
        page.get_by_role("button", name="Answer again").last.click()
    answered(page)
    body = asked.value.post_data_json
    assert body["model"] == "cria:latest"
    assert body["messages"] == [{"role": "system", "content": "You are a llama.\n\nYou hum."}, *messages[2:5]]
    expect(page.locator(".answer .who").last).to_have_text("cria")
    take_in(page, "kept.md", download(page, "Actions for Is it", "Export as Markdown"))
    expect(page.locator(".answer .who").last).to_have_text("cria")


def test_new_conversation_begins_with_models_that_are_there(page: Any) -> None:
    page.evaluate("""localStorage.setItem("puna.models", '["gone:latest"]')""")
    page.reload()
    expect(page.get_by_label("Model", exact=True)).to_have_count(1)
    expect(page.get_by_label("Model", exact=True)).not_to_have_value("gone:latest")
