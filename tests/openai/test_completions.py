"""Completions: texts and tokens to go on with, as they are."""

import math
from typing import Any

import pytest
from openai.types import Completion
from tests.openai.asking import pieces, refused
from tests.server import Server

from openai import OpenAI

PROMPT = "Why is the sky"
ENDLESS = {"ignore_eos": True}


def complete(client: OpenAI, prompt: Any = PROMPT, **fields: Any) -> Completion:
    asked: dict[str, Any] = {"model": "cria", "prompt": prompt, "max_tokens": 6, "temperature": 0} | fields
    answer: Completion = client.completions.create(**asked)
    return answer


def text(client: OpenAI, prompt: Any = PROMPT, **fields: Any) -> str:
    return complete(client, prompt, **fields).choices[0].text


def test_goes_on_with_the_text_itself(client: OpenAI, server: Server) -> None:
    answer = complete(client)
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    assert answer.choices[0].finish_reason == "length"
    body = {"model": "cria", "prompt": PROMPT, "raw": True, "stream": False}
    raw = server.ask("/api/generate", body | {"options": {"num_predict": 6, "temperature": 0}})
    assert answer.choices[0].text == raw["response"]
    assert answer.usage
    assert answer.usage.prompt_tokens == raw["prompt_eval_count"]
    assert answer.usage.completion_tokens == 6


def test_stream(client: OpenAI, server: Server) -> None:
    body = {"prompt": PROMPT, "max_tokens": 6, "stream_options": {"include_usage": True}}
    *chunks, last = pieces(server, "/v1/completions", body)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == text(client)
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert {chunk["usage"] for chunk in chunks} == {None}
    assert last["usage"]["completion_tokens"] == 6
    with OpenAI(base_url=client.base_url, api_key="x") as usual:  # the type says that a reason is never null
        streamed = usual.completions.create(model="cria", prompt=PROMPT, max_tokens=6, temperature=0, stream=True)
        assert "".join(chunk.choices[0].text for chunk in streamed) == text(client)


def test_echo(client: OpenAI, server: Server) -> None:
    whole = text(client, echo=True)
    assert whole == PROMPT + text(client)
    chunks = pieces(server, "/v1/completions", {"prompt": PROMPT, "max_tokens": 6, "echo": True})
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole


def test_tokens(client: OpenAI, server: Server) -> None:
    body = {"model": "cria", "prompt": PROMPT, "stream": False, "options": {"num_predict": 1}}
    tokens = server.ask("/api/generate", body)["context"]
    answer = complete(client, tokens, echo=True)
    assert PROMPT in answer.choices[0].text
    assert answer.usage
    assert answer.usage.prompt_tokens == len(tokens)
    assert answer.choices[0].text.endswith(text(client, tokens))
    assert [choice.text for choice in complete(client, [tokens, tokens[:3]]).choices] == [
        text(client, tokens),
        text(client, tokens[:3]),
    ]


def test_several_prompts_and_choices(client: OpenAI, server: Server) -> None:
    fields: dict[str, Any] = {"n": 2, "seed": 4, "temperature": 3, "top_p": 1, "extra_body": ENDLESS}
    answer = complete(client, ["The sea", "The sky"], echo=True, **fields)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.text[:7] for choice in answer.choices] == ["The sea", "The sea", "The sky", "The sky"]
    assert answer.choices[0].text != answer.choices[1].text
    assert answer.choices[2].text == text(client, "The sky", echo=True, **fields)
    assert answer.usage
    alone = [complete(client, prompt).usage for prompt in ("The sea", "The sky")]
    assert answer.usage.prompt_tokens == sum(usage.prompt_tokens for usage in alone if usage)
    assert answer.usage.completion_tokens == 24
    chunks = pieces(server, "/v1/completions", {"prompt": ["The sea", "The sky"], "max_tokens": 6, "n": 2})
    assert {chunk["choices"][0]["index"] for chunk in chunks} == {0, 1, 2, 3}


def test_best_of(client: OpenAI) -> None:
    fields: dict[str, Any] = {"seed": 4, "temperature": 3, "top_p": 1, "extra_body": ENDLESS}
    every = complete(client, n=4, logprobs=0, **fields)
    best = complete(client, best_of=4, logprobs=0, **fields)
    means = [_mean(choice.logprobs) for choice in every.choices]
    assert best.choices[0].text == every.choices[means.index(max(means))].text
    assert len(best.choices) == 1
    assert best.usage
    assert best.usage.completion_tokens == 24
    two = complete(client, n=2, best_of=4, **fields)
    assert [choice.index for choice in two.choices] == [0, 1]
    assert two.choices[0].text == best.choices[0].text
    assert two.choices[0].logprobs is None


def _mean(logprobs: Any) -> float:
    return math.fsum(logprobs.token_logprobs) / len(logprobs.token_logprobs)


def test_logprobs(client: OpenAI, server: Server) -> None:
    choice = complete(client, logprobs=2).choices[0]
    known = choice.logprobs
    assert known
    assert known.tokens
    assert "".join(known.tokens) == choice.text
    assert [choice.text[at:].startswith(token) for at, token in zip(known.text_offset or [], known.tokens, strict=True)]
    assert known.text_offset == [len("".join(known.tokens[:count])) for count in range(6)]
    assert [len(top) for top in known.top_logprobs or []] == [2] * 6
    assert [top[token] for top, token in zip(known.top_logprobs or [], known.tokens, strict=True)] == (
        known.token_logprobs
    )
    chunks = pieces(server, "/v1/completions", {"prompt": PROMPT, "max_tokens": 6, "logprobs": 2})
    parts = [chunk["choices"][0]["logprobs"] for chunk in chunks if chunk["choices"][0]["logprobs"]]
    assert [offset for part in parts for offset in part["text_offset"]] == known.text_offset
    none = complete(client, logprobs=0).choices[0].logprobs
    assert none
    assert none.top_logprobs is None
    assert none.token_logprobs


def test_suffix_fills_a_gap(client: OpenAI, server: Server) -> None:
    body: dict[str, Any] = {
        "model": "cria",
        "prompt": "def f(x):\n    y =",
        "suffix": "\n    return y\n",
        "stream": False,
    }
    options = {"num_predict": 6, "temperature": 0}
    gap = server.ask("/api/generate", body | {"options": options})["response"]
    assert text(client, body["prompt"], suffix=body["suffix"]) == gap != text(client, body["prompt"])


def test_stop_and_seed_and_options(client: OpenAI) -> None:
    whole = text(client, max_tokens=20)
    assert text(client, max_tokens=20, stop=whole[5:9]) == whole.partition(whole[5:9])[0]
    assert text(client, extra_body={"grammar": 'root ::= "yes"'}) == "yes"
    hot: dict[str, Any] = {"temperature": 3, "top_p": 1, "extra_body": ENDLESS}
    assert text(client, seed=3, **hot) == text(client, seed=3, **hot) != text(client, seed=4, **hot)


def test_what_has_no_effect_is_named(server: Server) -> None:
    body = {"model": "cria", "prompt": "x", "max_tokens": 1, "user": "u", "no_such_field": 1}
    assert server.post("/v1/completions", body).headers["puna-ignored"] == "user, no_such_field"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["x"] * 129}, "prompt"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"logprobs": 99}, "logprobs"),
        ({"prompt": [1, 2], "suffix": "x"}, "suffix"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": 5}, "stop"),
    ],
)
def test_what_cannot_be_is_refused_by_name(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with refused(param):
        complete(client, **fields)


def test_best_of_cannot_be_streamed(server: Server) -> None:
    body = {"model": "cria", "prompt": "x", "best_of": 2, "stream": True}
    assert server.post("/v1/completions", body).json()["error"]["param"] == "best_of"
    assert server.post("/v1/completions", {"model": "cria"}).json()["error"]["param"] == "prompt"


def test_prompt_that_is_too_long(client: OpenAI) -> None:
    with refused(None, "prompt is too long"):
        complete(client, "sea " * 600, extra_body={"num_ctx": 256})


def scored(server: Server, prompt: Any, **fields: Any) -> dict[str, Any]:
    """Return the choice of a prompt with log probabilities; the official type knows none that are null."""
    body = {"model": "cria", "prompt": prompt, "temperature": 0, "max_tokens": 6, "echo": True, "logprobs": 3} | fields
    answer: dict[str, Any] = server.ask("/v1/completions", body)
    return {**answer["choices"][0], "usage": answer["usage"]}


def test_the_tokens_of_a_prompt_have_log_probabilities(client: OpenAI, server: Server) -> None:
    said = complete(client, logprobs=3).choices[0]
    assert said.logprobs
    both = scored(server, PROMPT)
    known = both["logprobs"]
    assert both["text"] == "".join(known["tokens"]) == PROMPT + said.text
    assert known["text_offset"] == [len("".join(known["tokens"][:at])) for at in range(len(known["tokens"]))]
    answer = len(said.logprobs.tokens or [])
    assert known["token_logprobs"][-answer:] == pytest.approx(said.logprobs.token_logprobs, abs=1e-3)
    assert known["token_logprobs"][0] is known["top_logprobs"][0] is None
    assert all(value < 0 for value in known["token_logprobs"][1:])
    assert [len(top) for top in known["top_logprobs"][1:]] == [3] * (len(known["tokens"]) - 1)
    # What the model itself says next is as likely in a prompt.
    tokens = server.ask("/api/tokenize", {"model": "cria", "content": both["text"]})["tokens"]
    echoed = scored(server, tokens, max_tokens=0)
    assert echoed["logprobs"]["token_logprobs"][-answer:] == pytest.approx(said.logprobs.token_logprobs, abs=1e-3)
    assert (echoed["text"], echoed["finish_reason"]) == (both["text"], "length")
    assert echoed["usage"]["completion_tokens"] == 0


def test_a_streamed_prompt_has_log_probabilities(server: Server) -> None:
    body = {"prompt": PROMPT, "max_tokens": 2, "logprobs": 3, "echo": True, "temperature": 0}
    parts = [chunk["choices"][0]["logprobs"] for chunk in pieces(server, "/v1/completions", body)]
    whole = scored(server, PROMPT, max_tokens=2)["logprobs"]
    for name in ("tokens", "text_offset"):
        assert [item for part in parts if part for item in part[name]] == whole[name]


def test_a_prompt_that_does_not_fit_has_none(server: Server) -> None:
    body = {"model": "cria", "prompt": "a b c " * 3000, "echo": True, "logprobs": 1, "options": {"num_ctx": 256}}
    response = server.post("/v1/completions", body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
