"""What an answer is predicted to be is a draft of it on engines that Puna has built; with others it has no effect."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from tests.native import native_server
from tests.openai.asking import SKY, chat, refused, said, stream, user
from tests.server import Server

from openai import OpenAI

LONG = {"max_tokens": 48, "extra_body": {"ignore_eos": True}}
"""An answer that does not end before a draft of several lengths has been verified."""
WRONG = "None of these words is a word of the answer, and nor is any of those that follow them here. " * 8
COLORS = "Name three colors."


@pytest.fixture(scope="module")
def native() -> Iterator[Server]:
    with native_server(4) as server:
        yield server


@pytest.fixture(scope="module")
def client(native: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{native.url}/v1", api_key="unused", max_retries=0, _strict_response_validation=True) as made:
        yield made


def predicted(client: OpenAI, content: Any, text: str = SKY, **fields: Any) -> ChatCompletion:
    return chat(client, text, **LONG, prediction={"type": "content", "content": content}, **fields)


def counts(answer: Any) -> tuple[int, int]:
    """Return the tokens of a prediction that were right, and those that were not."""
    details = answer.usage.completion_tokens_details
    return details.accepted_prediction_tokens, details.rejected_prediction_tokens


def test_the_answer_is_the_same_and_mostly_drafted(client: OpenAI) -> None:
    plain = chat(client, **LONG)
    assert counts(plain) == (0, 0)
    text = plain.choices[0].message.content or ""
    answer = predicted(client, text)
    assert answer.choices[0].message.content == text
    right, wrong = counts(answer)
    assert right > 24
    assert wrong < right
    assert answer.usage
    assert plain.usage
    assert answer.usage.completion_tokens == plain.usage.completion_tokens


def test_the_content_may_be_parts(client: OpenAI) -> None:
    text = said(client, **LONG)
    parts = [{"type": "text", "text": part} for part in (text[:20], text[20:])]
    answer = predicted(client, parts)
    assert answer.choices[0].message.content == text
    assert counts(answer) == counts(predicted(client, text))


def test_what_the_answer_leaves_out_or_adds_is_found_again(client: OpenAI) -> None:
    text = said(client, **LONG)
    middle = len(text) // 2
    whole = counts(predicted(client, text))[0]
    for edited in (WRONG[:90] + text, text[:middle] + WRONG[:90] + text[middle:], text[:middle] + text[middle + 9 :]):
        answer = predicted(client, edited)
        assert answer.choices[0].message.content == text
        assert whole // 3 < counts(answer)[0] <= whole


def test_a_wrong_prediction_changes_nothing_and_is_soon_left_alone(client: OpenAI) -> None:
    answer = predicted(client, WRONG)
    assert answer.choices[0].message.content == said(client, **LONG)
    right, wrong = counts(answer)
    assert right + wrong < 24


def test_a_prediction_longer_than_the_context_is_read_as_far_as_that(client: OpenAI) -> None:
    text = said(client, **LONG)
    for content in (text + WRONG * 40, WRONG * 40 + text):
        answer = predicted(client, content)
        assert answer.choices[0].message.content == text
        assert (counts(answer)[0] > 24) == content.startswith(text)


def test_an_answer_that_outgrows_the_context_goes_on(client: OpenAI) -> None:
    shifted: dict[str, Any] = {
        "max_tokens": 300,
        "extra_body": {"num_ctx": 256, "ignore_eos": True, "shift": True},
    }
    plain = said(client, **shifted)
    answer = chat(client, **shifted, prediction={"type": "content", "content": plain})
    assert answer.usage
    assert answer.usage.completion_tokens == 300
    assert (answer.choices[0].message.content or "")[:200] == plain[:200]
    assert counts(answer)[0] > 100


def test_samplers_are_obeyed(client: OpenAI) -> None:
    fields: dict[str, Any] = {"temperature": 1.5, "seed": 7}
    plain = said(client, **LONG, **fields)
    answer = predicted(client, plain, **fields)
    assert answer.choices[0].message.content == plain
    assert counts(answer)[0] > 24
    biased = predicted(client, plain, logit_bias={"100": 100}, temperature=0)
    assert counts(biased)[0] == 0


def test_a_stream_tells_what_was_right(client: OpenAI) -> None:
    text = said(client, **LONG)
    chunks = stream(
        client, **LONG, prediction={"type": "content", "content": text}, stream_options={"include_usage": True}
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert counts(chunks[-1])[0] > 24


def test_a_stop_string_amid_a_draft_ends_the_answer(client: OpenAI) -> None:
    text = said(client, **LONG)
    stop = text[len(text) // 2 :][:4]
    plain = chat(client, **LONG, stop=stop)
    answer = predicted(client, text, stop=stop)
    assert answer.choices[0].message.content == plain.choices[0].message.content == text[: text.index(stop)]
    assert answer.usage
    assert plain.usage
    assert answer.usage.completion_tokens == plain.usage.completion_tokens
    assert counts(answer)[0] <= answer.usage.completion_tokens


def test_each_of_several_at_once_has_its_own(client: OpenAI) -> None:
    asked = [SKY, COLORS] * 2
    plain = [said(client, text, **LONG) for text in asked]
    contents = [plain[0], plain[1], "", WRONG]

    def one(at: int) -> tuple[str, tuple[int, int]]:
        answer = predicted(client, contents[at], asked[at])
        return answer.choices[0].message.content or "", counts(answer)

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(one, range(len(asked))))
    assert [text for text, _ in answers] == plain
    assert [right > 24 for _, (right, _) in answers] == [True, True, False, False]


def test_choices_are_counted_together(client: OpenAI) -> None:
    text = said(client, **LONG)
    answer = predicted(client, text, n=2)
    assert [choice.message.content for choice in answer.choices] == [text, text]
    assert counts(answer)[0] == 2 * counts(predicted(client, text))[0]


def test_log_probabilities_are_those_of_every_token(client: OpenAI) -> None:
    answer = predicted(client, said(client, **LONG), logprobs=True)
    assert answer.choices[0].logprobs
    assert len(answer.choices[0].logprobs.content or ()) == 48
    assert counts(answer) == (0, 0)


def test_a_format_holds(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    text = said(client, max_tokens=24, response_format=form)
    for content in (text, "Because it is."):
        prediction = {"type": "content", "content": content}
        assert said(client, max_tokens=24, response_format=form, prediction=prediction) == text


def test_the_header_names_it_where_the_engine_has_no_use_for_it(native: Server, server: Server) -> None:
    body = {"model": "cria", "messages": user(SKY), "max_tokens": 1, "prediction": {"type": "content", "content": "x"}}
    assert "puna-ignored" not in native.post("/v1/chat/completions", body).headers
    with_logprobs = native.post("/v1/chat/completions", body | {"logprobs": True})
    assert with_logprobs.headers["puna-ignored"] == "prediction"
    answer = server.post("/v1/chat/completions", body)
    assert answer.headers["puna-ignored"] == "prediction"
    details = answer.json()["usage"]["completion_tokens_details"]
    assert (details["accepted_prediction_tokens"], details["rejected_prediction_tokens"]) == (0, 0)


@pytest.mark.parametrize(
    ("prediction", "param"),
    [
        ({"type": "text", "content": "x"}, "prediction.type"),
        ({"type": "content"}, "prediction.content"),
        ({"type": "content", "content": 5}, "prediction.content"),
        ({"type": "content", "content": ["x"]}, "prediction.content"),
        ({"type": "content", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "prediction.content"),
        ({"type": "content", "content": [{"type": "text", "text": 5}]}, "prediction.content"),
    ],
)
def test_a_prediction_that_is_none_is_refused(client: OpenAI, prediction: dict[str, Any], param: str) -> None:
    with refused(param, "prediction"):
        chat(client, prediction=prediction)
