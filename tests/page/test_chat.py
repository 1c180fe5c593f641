"""A conversation on the page with the built-in model."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.page.steps import answered, choose_model, expect, option, prose, say, settings
from tests.server import Server, wait_for

QUESTION = "Why is the sky blue?"


@pytest.fixture(scope="module", autouse=True)
def _models(shared_server: Server) -> Iterator[None]:
    """Two more models: one that thinks, and one that goes on and on."""
    shared_server.ask(
        "/api/create", {"model": "thinker", "from": "cria", "parameters": {"think": True}, "stream": False}
    )
    forever = {"ignore_eos": True, "num_predict": 20_000}
    shared_server.ask("/api/create", {"model": "talker", "from": "cria", "parameters": forever, "stream": False})
    yield
    for model in ("thinker", "talker"):
        shared_server.request("DELETE", "/api/delete", {"model": model})


def test_answer_streams_and_tells_its_figures(page: Any) -> None:
    say(page, QUESTION)
    assert "sky" in prose(page)
    facts = page.locator(".answer .facts").inner_text()
    assert re.search(r"\d+ tokens\s+[\d,.]+ tokens/s\s+first after .*\s+\d+ in the prompt", facts)
    page.get_by_text(re.compile(r"\d+ from the cache \(")).wait_for()
    assert re.search(r"\d+ of 2,048 tokens \([\d.]+%\)", page.locator(".context").inner_text())
    assert "/#/chat/" in page.url
    assert page.get_by_role("navigation").get_by_role("link", name=QUESTION).is_visible()


def test_answer_is_stopped_and_continued(page: Any) -> None:
    choose_model(page, "talker")
    say(page, "Tell me a story.", wait=False)
    expect(page.locator(".answer .prose.content")).to_have_text(re.compile(r".{40}", re.DOTALL))
    page.get_by_text(re.compile(r"^[\d,.]+ tokens/s$")).wait_for()
    page.get_by_role("button", name="Stop").last.click()
    answered(page)
    stopped = prose(page)
    assert page.locator(".answer .facts").inner_text() == "stopped"
    choose_model(page, "cria")
    option(page, "num_predict", "5")
    page.get_by_role("button", name="Continue the answer").click()
    answered(page)
    expect(page.locator(".answer .facts")).to_have_text(re.compile("5 tokens"))
    assert len(prose(page)) > len(stopped)
    assert prose(page).startswith(stopped.rstrip())


def test_regenerating_and_editing_make_branches(page: Any) -> None:
    say(page, QUESTION)
    page.get_by_role("button", name="Answer again").click()
    page.get_by_text("2/2").wait_for()
    answered(page)
    page.get_by_role("button", name="Edit, as a new branch").click()
    page.get_by_role("textbox", name="Edit, as a new branch").fill("Why is the grass green?")
    page.get_by_role("button", name="Send as a new branch").click()
    page.get_by_text("Why is the grass green?", exact=True).wait_for()
    answered(page)
    assert "sky" not in page.locator(".bubble").inner_text()
    page.get_by_role("button", name="Branch before").click()
    wait_for(lambda: page.locator(".bubble").inner_text() == QUESTION)
    wait_for(lambda: page.get_by_text("2/2").count() == 1)
    page.locator(".answers").get_by_role("button", name="Branch before").click()
    wait_for(lambda: page.locator(".answers .branches").inner_text() == "1/2")


def test_thoughts_are_folded_away(page: Any) -> None:
    choose_model(page, "thinker")
    say(page, "What is 3 + 4?")
    thoughts = page.locator("details.thoughts")
    assert thoughts.locator(".prose").count() == 0
    thoughts.locator("summary").click()
    thoughts.locator(".prose p").wait_for()
    assert re.match(r"Thought", thoughts.locator("summary").inner_text())


def test_calls_are_shown_and_results_sent(page: Any) -> None:
    panel = settings(page)
    panel.get_by_text("Functions", exact=True).click()
    panel.get_by_role("button", name="Insert an example").click()
    settings(page)
    say(page, "What is the weather in Lhasa?")
    call = page.locator(".call")
    assert "Calls get_weather" in call.inner_text()
    assert '"city": "Lhasa"' in call.inner_text()
    call.get_by_label("Result of get_weather").fill('{"weather": "sunny"}')
    page.get_by_role("button", name="Send results").click()
    page.locator(".answer").nth(1).wait_for()
    answered(page)
    assert prose(page)
    assert page.get_by_text("Result of get_weather").is_visible()


def test_models_answer_side_by_side(page: Any) -> None:
    page.get_by_role("button", name="Let another model answer beside").click()
    page.get_by_label("Model", exact=True).nth(1).select_option("thinker:latest")
    say(page, QUESTION)
    answers = page.locator(".beside .answer")
    assert answers.count() == 2
    assert [answers.nth(index).locator(".who").inner_text().split("\n")[0] for index in (0, 1)] == ["cria", "thinker"]
    answers.nth(1).get_by_role("button", name="Go on with this one").click()
    wait_for(lambda: "aside" in (answers.nth(0).get_attribute("class") or ""))
    page.get_by_role("button", name="Without cria").click()
    say(page, "And at night?")
    assert page.locator(".answer").count() == 3


def test_prompt_is_shown_as_the_model_got_it(page: Any) -> None:
    settings(page).get_by_label("System prompt").fill("You are a llama.")
    settings(page)
    say(page, QUESTION)
    page.get_by_role("button", name="The prompt as the model got it").click()
    prompt = page.locator("dialog pre")
    page.get_by_text("<|im_start|>").wait_for()
    assert "You are a llama." in prompt.inner_text()
    assert QUESTION in prompt.inner_text()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    waiting: list[Any] = []
    page.route("**/api/chat", lambda route: waiting.append(route))
    page.get_by_role("button", name="The prompt as the model got it").click()
    expect(prompt).to_have_text("…")
    page.locator("dialog").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    with page.expect_response("**/api/chat") as response:
        waiting[0].continue_()
    response.value.finished()
    page.wait_for_timeout(200)
    assert page.locator("dialog").count() == 0


def test_tokens_have_probabilities_and_alternatives(page: Any) -> None:
    settings(page).get_by_label("Probabilities of tokens").check()
    settings(page)
    say(page, QUESTION)
    page.get_by_role("button", name="Tokens and their probabilities").click()
    assert page.locator(".token-text").inner_text().strip() == page.evaluate(
        "[...document.querySelectorAll('.token')].map((token) => token.textContent).join('').trim()"
    )
    assert page.locator(".alternatives tr").count() == 5
    before = page.locator(".alternatives caption").inner_text()
    page.locator(".token-text").focus()
    page.keyboard.press("ArrowRight")
    wait_for(lambda: page.locator(".alternatives caption").inner_text() != before)
    page.locator(".token").nth(3).hover()
    wait_for(lambda: page.locator(".token.at").get_attribute("data-index") == "3")


def test_format_and_options_reach_the_model(page: Any) -> None:
    settings(page).get_by_label("Form of the answer").select_option("schema")
    settings(page)
    option(page, "seed", "7")
    option(page, "use_mmap", "true")
    with page.expect_request("**/api/chat") as asked:
        say(page, "What is the capital of France?")
    body = asked.value.post_data_json
    assert body["options"] == {"seed": 7, "use_mmap": True}
    assert body["format"]["required"] == ["answer"]
    assert re.fullmatch(r'\{\s*"answer":.*\}', prose(page), re.DOTALL)


def test_option_out_of_range_is_told(open_page: Any) -> None:
    page = open_page(allowed="400 (Bad Request)")
    option(page, "top_p", "3")
    say(page, QUESTION)
    assert "top_p" in page.get_by_role("alert").inner_text()


def test_what_did_not_fit_is_told(page: Any) -> None:
    option(page, "num_predict", "20")
    for _ in range(2):
        say(page, "Tell me about llamas. " + "The llama walked over the plateau. " * 160)
    assert re.match(
        r"Not all fitted into the context of 2,048 tokens: the 2 oldest messages \([\d,]+ tokens\) were left out\.",
        page.locator(".left-out").last.inner_text(),
    )


def test_place_in_the_queue_is_told(serve: Any, open_page: Any) -> None:
    server = serve({"OLLAMA_NUM_PARALLEL": "1"})
    forever = {"ignore_eos": True, "num_predict": 20_000}
    lines = server.open_stream("/api/generate", {"model": "cria", "prompt": "Go on", "options": forever})
    next(lines)
    page = open_page(of=server)
    say(page, QUESTION, wait=False)
    page.get_by_text("Next in the queue.").wait_for()
    lines.close()
    answered(page)
    assert "sky" in prose(page)
