"""Decisions: probabilities that are the model's own, in the shapes of both dialects."""

import math
from typing import Any

import pytest
from tests.e2e.prompting import rendered, user
from tests.server import Server

import openai

LETTER = "I want my money back, at once!"
PREDICATE = {"type": "predicate", "name": "refund", "instructions": "The customer asks for money."}
CHOICE = {
    "type": "choice",
    "name": "mood",
    "instructions": "How does the customer feel?",
    "choices": [{"value": "happy", "description": "glad"}, {"value": "angry"}, {"value": True}],
}
SCORE = {"type": "score", "instructions": "How urgent is it?", "levels": [{"label": "low"}, {"label": "high"}]}
ALL = [PREDICATE, CHOICE, SCORE]


@pytest.fixture(scope="module")
def client(shared_server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{shared_server.url}/v1", api_key="none", max_retries=0)


def test_answers_are_of_the_official_types_in_their_order(client: openai.OpenAI) -> None:
    decision = client.decisions.create(model="cria", input=LETTER, questions=ALL)  # type: ignore[arg-type]
    predicate, choice, score = decision.answers
    assert predicate.type == "predicate"
    assert predicate.name == "refund"
    assert 0 < predicate.probability < 1
    assert choice.type == "choice"
    assert [entry.value for entry in choice.probabilities] == ["happy", "angry", True]
    assert math.fsum(entry.probability for entry in choice.probabilities) == pytest.approx(1)
    best = max(choice.probabilities, key=lambda entry: entry.probability)
    assert choice.choice == best.value
    assert choice.confidence == pytest.approx((best.probability - 1 / 3) / (2 / 3))
    assert score.type == "score"
    assert score.name is None
    assert [(entry.label, entry.value) for entry in score.probabilities] == [("low", 0), ("high", 1)]
    assert score.score == pytest.approx(score.probabilities[1].probability)
    assert decision.usage.output_tokens == 0
    assert decision.usage.total_tokens == decision.usage.input_tokens > 0


@pytest.mark.parametrize("words", [("Anna", "Bob"), ("Anna", "Tom"), ("Hi", "Hello")])
def test_probabilities_are_the_model_s_own(server: Server, words: tuple[str, str]) -> None:
    said = f"I like {words[0]} and {words[1]}."
    question = {
        "type": "choice",
        "instructions": "Which do I like?",
        "choices": [{"value": word} for word in words],
    }
    (answer,) = ask(server, input=said, questions=[question])["answers"]
    text = f"{said}\n\nWhich do I like?\nAnswer with one of these only: {', '.join(words)}"
    prompt = rendered(server, user(text), think=False)
    body = {"model": "cria", "prompt": prompt, "raw": True, "logprobs": True, "top_logprobs": 20, "stream": False}
    first = server.ask("/api/generate", body | {"options": {"num_predict": 1, "temperature": 1}})["logprobs"][0]
    likely = {entry["token"]: math.exp(entry["logprob"]) for entry in first["top_logprobs"]}
    own = likely[words[0]] / (likely[words[0]] + likely[words[1]])
    assert answer["probabilities"][0]["probability"] == pytest.approx(own, abs=0.02)


def test_the_input_is_read_once(server: Server) -> None:
    usage = ask(server, input=LETTER + " please" * 200, questions=ALL)["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] > usage["input_tokens"] * 0.55


def test_many_choices_have_codes(server: Server) -> None:
    choices = [{"value": f"number {number}"} for number in range(70)]
    question = {"type": "choice", "instructions": "Which one?", "choices": choices}
    (answer,) = ask(server, questions=[question])["answers"]
    assert [entry["value"] for entry in answer["probabilities"]] == [choice["value"] for choice in choices]
    assert math.fsum(entry["probability"] for entry in answer["probabilities"]) == pytest.approx(1)


def test_calibration_takes_away_what_is_said_of_nothing(server: Server) -> None:
    (answer,) = ask(server, input="N/A", questions=[SCORE], calibrate=True)["answers"]
    assert [entry["probability"] for entry in answer["probabilities"]] == pytest.approx([0.5, 0.5], abs=0.02)


def test_conversations_are_judged_too(server: Server) -> None:
    items = [
        {"role": "developer", "content": [{"type": "input_text", "text": "Be strict."}]},
        {"role": "user", "content": [{"type": "input_json", "data": {"weather": "?"}}]},
        {"type": "function_call", "call_id": "1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "rain"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "It rains."}]},
    ]
    (answer,) = ask(server, input=items, questions=[PREDICATE])["answers"]
    assert 0 < answer["probability"] < 1


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"questions": []}, "questions"),
        ({"input": ""}, "input"),
        ({"questions": [{"type": "guess", "instructions": "x"}]}, "questions.0.type"),
        ({"questions": [CHOICE | {"choices": [{"value": "a"}]}]}, "questions.0.choices"),
        ({"questions": [CHOICE | {"choices": [{"value": "a"}, {"value": "a"}]}]}, "questions.0.choices"),
        ({"questions": [{"type": "predicate"}]}, "questions.0.instructions"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]}, "input.0.call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input.0.content.0"),
    ],
)
def test_what_is_wrong_is_named(server: Server, wrong: dict[str, Any], param: str) -> None:
    response = server.post("/v1/decisions", {"model": "cria", "input": "x", "questions": [PREDICATE]} | wrong)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_system_one(server: Server) -> None:
    questions = {
        "urgent": {"type": "noul", "instructions": {"question": "Is it urgent?"}},
        "team": {"type": "choice", "instructions": "Whose is it?", "criteria": {"billing": "money", "tech": None}},
        "anger": {"type": "score", "instructions": "How angry?", "criteria": ["calm", "cross", "furious"]},
    }
    answer = server.ask("/v1/systemone", {"model": "cria", "state": {"text": LETTER}, "questions": questions})
    assert list(answer["answers"]) == list(questions)
    urgent, team, anger = answer["answers"].values()
    assert 0 < urgent["noul"] < 1
    assert set(team["probabilities"]) == {"billing", "tech"}
    assert anger["legend"] == {"0": "calm", "1": "cross", "2": "furious"}
    assert anger["score"] == pytest.approx(anger["probabilities"]["1"] + 2 * anger["probabilities"]["2"])
    assert answer["usage"]["output_tokens"] == 0


@pytest.mark.parametrize("wrong", [{"state": ""}, {"questions": {}}, {"questions": {"a": {"type": "noul"}}}])
def test_system_one_refuses(server: Server, wrong: dict[str, Any]) -> None:
    body = {"model": "cria", "state": "x", "questions": {"a": {"type": "noul", "instructions": "y"}}} | wrong
    assert server.post("/v1/systemone", body).status_code == 400


def ask(server: Server, **body: Any) -> dict[str, Any]:
    return server.ask("/v1/decisions", {"model": "cria", "input": LETTER} | body)
