"""What an answer repeats of its prompt is a draft of it on engines that Puna has built."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tests.native import native_server
from tests.server import Server

LINES = [f"{name} has {count} coins and lives in {town}." for name, count, town in (
    ("Anna", 17, "Lisbon"), ("Ben", 4, "Oslo"), ("Clara", 23, "Quito"), ("David", 8, "Riga"), ("Emma", 51, "Hanoi"),
    ("Frank", 12, "Turin"), ("Greta", 39, "Dakar"), ("Henry", 6, "Sofia"),
)]  # fmt: skip
PROMPT = "Copy this text: " + " ".join(LINES)


@pytest.fixture(scope="module")
def native() -> Iterator[Server]:
    with native_server(2) as server:
        yield server


def answer(server: Server, text: str, **more: Any) -> tuple[str, int, int]:
    """Return what the model is made to write after the list, and how many tokens were drafted and right."""
    before = counts(server)
    options = {"temperature": 0, "num_predict": 400, **more.pop("options", {})}
    body = {"model": "cria", "messages": [{"role": "user", "content": PROMPT}], "stream": False, "options": options}
    made = requests.post(f"{server.url}/api/chat", json=body | {"format": {"const": text}} | more, timeout=60)
    assert made.status_code == 200, made.text
    after = counts(server)
    return made.json()["message"]["content"], after[0] - before[0], after[1] - before[1]


def counts(server: Server) -> tuple[int, int]:
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    found = {
        name: sum(
            float(value) for value in re.findall(rf"^puna_spec_decode_num_{name}_tokens_total\S* (\S+)$", text, re.M)
        )
        for name in ("draft", "accepted")
    }
    return int(found["draft"]), int(found["accepted"])


def quoted(lines: list[str]) -> str:
    return '"' + " ".join(lines) + '"'


def test_what_is_copied_is_drafted(native: Server) -> None:
    for line in LINES:
        text, drafted, right = answer(native, line)
        assert text == f'"{line}"'
    text, drafted, right = answer(native, " ".join(LINES))
    assert text == quoted(LINES)
    assert right > 40
    assert right > drafted * 0.6


def test_edits_are_stepped_over(native: Server) -> None:
    edited = [line.replace("coins", "stones") if number % 3 == 0 else line for number, line in enumerate(LINES)]
    text, _, right = answer(native, " ".join(edited))
    assert text == quoted(edited)
    assert right > 24


def test_an_answer_of_its_own_costs_hardly_a_draft(native: Server) -> None:
    text, drafted, _ = answer(
        native, "The quick brown fox jumps over seven lazy dogs while nobody watches the empty road."
    )
    assert "fox" in text
    assert drafted < 12, drafted


@pytest.mark.parametrize("more", [{"options": {"draft_num_predict": 0}}, {"logprobs": True}])
def test_who_wants_no_drafts_has_none(native: Server, more: dict[str, Any]) -> None:
    text, drafted, _ = answer(native, " ".join(LINES), **more)
    assert text == quoted(LINES)
    assert drafted == 0


def test_a_short_prompt_is_not_looked_at(native: Server) -> None:
    before = counts(native)
    body = {"model": "cria", "prompt": "Say it: one two three four five six.", "stream": False, "think": False}
    body |= {"format": {"const": "one two three four five six. one two three four five six."}}
    assert requests.post(f"{native.url}/api/generate", json=body, timeout=60).status_code == 200
    assert counts(native) == before
