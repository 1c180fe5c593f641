"""Chats under ``/v1``: what each field does, as the official client sees it."""

import hashlib
import json
import re
from typing import Any

import pytest
from tests.e2e.jinja import with_jinja
from tests.e2e.prompting import WEATHER
from tests.openai.asking import SKY, chat, pieces, refused, said, stream, user
from tests.server import Server, wait_for

from openai import AsyncOpenAI, BadRequestError, OpenAI

HOT: dict[str, Any] = {"text": "Tell me a story.", "temperature": 9, "top_p": 1, "max_tokens": 12}
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 5}},
    "required": ["n"],
    "additionalProperties": False,
}


def test_answer_has_the_fields_of_the_dialect(client: OpenAI) -> None:
    answer = chat(client)
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "cria"
    assert answer.system_fingerprint
    (choice,) = answer.choices
    assert (choice.index, choice.message.role, choice.message.refusal) == (0, "assistant", None)
    assert choice.message.content
    usage = answer.usage
    assert usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens == 12


def test_stream_says_the_same(client: OpenAI, server: Server) -> None:
    first, *_, last = chunks = pieces(server, "/v1/chat/completions", {"messages": user(SKY)})
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == said(client)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert not [chunk for chunk in chunks[1:] if "role" in chunk["choices"][0]["delta"]]
    assert last["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == len({chunk["created"] for chunk in chunks}) == 1
    assert not [chunk for chunk in chunks if "usage" in chunk]


def test_answer_has_the_id_of_its_request(server: Server) -> None:
    body = {"model": "cria", "messages": user(SKY), "max_tokens": 1}
    response = server.post("/v1/chat/completions", body, headers={"X-Request-Id": "mine"})
    assert response.headers["x-request-id"] == "mine"
    assert response.json()["id"] == "chatcmpl-mine"


def test_usage_of_a_stream_comes_last_and_is_null_before(client: OpenAI, server: Server) -> None:
    body = {"messages": user(SKY), "stream_options": {"include_usage": True}}
    *chunks, last = pieces(server, "/v1/chat/completions", body)
    assert {chunk["usage"] for chunk in chunks} == {None}
    assert last["choices"] == []
    whole = chat(client).usage
    assert whole
    assert last["usage"]["prompt_tokens"] == whole.prompt_tokens
    assert last["usage"]["completion_tokens"] == whole.completion_tokens == 12


def test_usage_tells_what_was_cached(client: OpenAI) -> None:
    text = "Tell me about the sea, the sky and the mountains. " * 4
    chat(client, text)
    usage = chat(client, text).usage
    assert usage
    assert usage.prompt_tokens_details
    assert usage.prompt_tokens > (usage.prompt_tokens_details.cached_tokens or 0) > usage.prompt_tokens // 2


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_limit(client: OpenAI, name: str) -> None:
    answer = chat(client, **({"max_tokens": None} | {name: 3}))
    assert answer.usage
    assert answer.usage.completion_tokens == 3
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses", "messages"])
def test_a_limit_is_as_large_as_one_likes(server: Server, path: str) -> None:
    said_to = {"completions": {"prompt": "a"}, "responses": {"input": "a"}}.get(path, {"messages": user("a")})
    name = "max_output_tokens" if path == "responses" else "max_tokens"
    server.ask(f"/v1/{path}", {"model": "cria", name: 2**53 - 1, "grammar": 'root ::= "ok"'} | said_to)


def test_newer_name_of_the_limit_wins(client: OpenAI) -> None:
    answer = chat(client, max_tokens=9, max_completion_tokens=2)
    assert answer.usage
    assert answer.usage.completion_tokens == 2


@pytest.mark.parametrize("as_list", [False, True])
def test_stop(client: OpenAI, as_list: bool) -> None:
    whole = said(client, max_tokens=40)
    word = whole.split()[3]
    answer = chat(client, max_tokens=40, stop=["never", word] if as_list else word)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == whole.partition(word)[0]


def test_seed_of_64_bits(client: OpenAI) -> None:
    once, again, other = (said(client, seed=seed, **HOT) for seed in (2**62 + 1, 2**62 + 1, 2**62 + 2))
    assert once == again != other


def test_sampling(client: OpenAI) -> None:
    hot = said(client, seed=5, **HOT)
    assert said(client, seed=5, **HOT | {"temperature": 0}) != hot
    assert said(client, seed=5, **HOT | {"top_p": 0.01}) != hot
    cold = said(client, **HOT | {"temperature": 0})
    assert said(client, seed=5, **HOT, extra_body={"top_k": 1}) == cold != hot


def test_penalties(client: OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "cria",
        "prompt": "Tell me a story about the sea",
        "max_tokens": 40,
        "temperature": 0,
    }
    whole = client.completions.create(**asked).choices[0].text
    for name in ("presence_penalty", "frequency_penalty"):
        assert client.completions.create(**asked, **{name: 2}).choices[0].text != whole


def test_logit_bias(client: OpenAI, server: Server) -> None:
    options = {"num_predict": 1, "temperature": 0}
    generated = server.ask("/api/generate", {"model": "cria", "prompt": SKY, "options": options, "stream": False})
    token, word = str(generated["context"][-1]), generated["response"]
    assert said(client, max_tokens=1) == word
    assert said(client, logit_bias={token: -100}, max_tokens=1) != word
    assert said(client, "What is 3 + 4?", max_tokens=1) != word
    assert said(client, "What is 3 + 4?", logit_bias={token: 100}, max_tokens=1) == word


def test_a_bias_of_a_token_that_the_model_has_not_got_is_refused(client: OpenAI) -> None:
    with refused("logit_bias", "999999 is none"):
        chat(client, logit_bias={"5": 1, "999999": -100})
    with refused("logit_bias", "999999 is none"):
        client.completions.create(model="cria", prompt="a", logit_bias={"999999": -100}, max_tokens=1)


def test_several_choices(client: OpenAI) -> None:
    answer = chat(client, n=3, seed=1, **HOT)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    texts = [choice.message.content for choice in answer.choices]
    assert len(set(texts)) > 1
    assert texts[0] == said(client, seed=1, **HOT)
    assert answer.usage
    assert answer.usage.completion_tokens == 36
    one = chat(client).usage
    assert one
    assert answer.usage.prompt_tokens == one.prompt_tokens


def test_several_choices_in_a_stream(client: OpenAI) -> None:
    chunks = stream(client, n=2, seed=1, stream_options={"include_usage": True}, **HOT)
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 24
    whole = chat(client, n=2, seed=1, **HOT)
    for choice in (0, 1):
        own = [chunk.choices[0] for chunk in chunks[:-1] if chunk.choices[0].index == choice]
        assert "".join(piece.delta.content or "" for piece in own) == whole.choices[choice].message.content
        assert [piece.delta.role for piece in own] == ["assistant", *[None] * (len(own) - 1)]
        assert own[-1].finish_reason == "length"


def test_logprobs(client: OpenAI) -> None:
    choice = chat(client, logprobs=True, top_logprobs=3, max_tokens=4).choices[0]
    assert choice.logprobs
    tokens = choice.logprobs.content
    assert tokens
    assert "".join(token.token for token in tokens) == choice.message.content
    assert b"".join(bytes(token.bytes or []) for token in tokens).decode() == choice.message.content
    assert {len(token.top_logprobs) for token in tokens} == {3}
    assert [token.top_logprobs[0].token for token in tokens] == [token.token for token in tokens]
    streamed = [chunk.choices[0].logprobs for chunk in stream(client, logprobs=True, top_logprobs=3, max_tokens=4)]
    assert [token.token for part in streamed if part for token in part.content or []] == [t.token for t in tokens]


def test_logprobs_without_alternatives(client: OpenAI) -> None:
    choice = chat(client, logprobs=True, max_tokens=2).choices[0]
    assert choice.logprobs
    assert choice.logprobs.content
    assert [token.top_logprobs for token in choice.logprobs.content] == [[], []]
    assert chat(client, max_tokens=2).choices[0].logprobs is None


def test_format_json_object(client: OpenAI) -> None:
    answer = said(client, "Ann is 3.", response_format={"type": "json_object"}, max_tokens=300)
    assert isinstance(json.loads(answer), dict)


@pytest.mark.parametrize("strict", [True, False, None])
def test_format_json_schema(client: OpenAI, strict: bool | None) -> None:
    inner = {"name": "number", "schema": SCHEMA, "strict": strict}
    answer = said(client, response_format={"type": "json_schema", "json_schema": inner}, max_tokens=60)
    assert json.loads(answer)["n"] in (3, 4, 5)


def test_format_text(client: OpenAI) -> None:
    assert said(client, response_format={"type": "text"}) == said(client)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"type": "xml"}, "response_format.type"),
        ({"type": "json_schema"}, "response_format.json_schema.schema"),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {"type": "string"}}}},
            "response_format.json_schema.schema",
        ),
    ],
)
def test_format_that_cannot_be(client: OpenAI, asked: Any, param: str) -> None:
    with refused(param):
        chat(client, response_format=asked)


@pytest.mark.parametrize("role", ["developer", "system"])
def test_roles_of_instructions(client: OpenAI, role: str) -> None:
    messages = [{"role": role, "content": "You are a pirate."}, *user(SKY)]
    told = chat(client, messages=messages).usage
    plain = chat(client).usage
    assert told
    assert plain
    assert told.prompt_tokens > plain.prompt_tokens


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": SKY}],
        [{"type": "text", "text": "Why is"}, {"type": "text", "text": "the sky blue?"}],
    ],
)
def test_content_in_parts(client: OpenAI, content: Any) -> None:
    joined = "\n".join(part["text"] for part in content)
    assert said(client, content) == said(client, joined)


def test_content_of_the_past_may_be_null(client: OpenAI) -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "No, I cannot do that for you."}
    counts = []
    for said_before in (refusal, {"role": "assistant", "content": refusal["refusal"]}, refusal | {"refusal": None}):
        usage = chat(client, messages=[*user("Hi."), said_before, *user(SKY)], max_tokens=1).usage
        assert usage
        counts.append(usage.prompt_tokens)
    assert counts[0] == counts[1] > counts[2]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": "two words"}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 99}, "top_logprobs"),
        ({"reasoning_effort": "zzz"}, "reasoning_effort"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "ash", "format": "wav"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"extra_body": {"num_ctx": "large"}}, "num_ctx"),
        ({"extra_body": {"mirostat": 7}}, "mirostat"),
    ],
)
def test_what_cannot_be_is_refused_by_name(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with refused(param):
        chat(client, **fields)


def test_unknown_model(client: OpenAI, server: Server) -> None:
    with refused("model", "model 'nope' not found", 404):
        chat(client, model="nope")
    response = server.post("/v1/chat/completions", {"model": "nope", "messages": user("x"), "stream": True})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


def test_options_are_fields_too(client: OpenAI) -> None:
    grammar = 'root ::= "yes" | "no"'
    assert said(client, extra_body={"grammar": grammar}) in ("yes", "no")
    assert said(client, extra_body={"options": {"grammar": grammar}}) in ("yes", "no")
    assert said(client, max_tokens=9, extra_body={"options": {"num_predict": 1}}) == said(client, max_tokens=1)


def test_context_and_what_does_not_fit_it(client: OpenAI) -> None:
    long = "sea " * 600
    known = r"prompt is too long: \d+ tokens > 256 maximum context length"
    turns = [*user(long), {"role": "assistant", "content": "Yes."}, *user(SKY)]
    for messages in (user(long), turns):
        with pytest.raises(BadRequestError, match=known) as caught:
            chat(client, messages=messages, extra_body={"num_ctx": 256})
        assert caught.value.code == "context_length_exceeded", "agents leave out old turns themselves when told so"
    answer = chat(client, messages=turns, extra_body={"num_ctx": 256, "truncate": True})
    assert answer.usage
    assert answer.usage.prompt_tokens < 256
    full = chat(client, max_tokens=400, extra_body={"num_ctx": 256, "ignore_eos": True})
    assert full.choices[0].finish_reason == "length"
    assert full.usage
    assert full.usage.total_tokens <= 256, "its beginning is not forgotten"


def test_answer_ends_with_the_context(client: OpenAI) -> None:
    answer = chat(client, max_tokens=None, extra_body={"num_ctx": 256, "ignore_eos": True})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.total_tokens <= 257


def test_what_has_no_effect_is_named(server: Server) -> None:
    body = {
        "model": "cria",
        "messages": [{"role": "user", "content": SKY, "name": "me", "mood": "bad"}],
        "max_tokens": 1,
        "user": "u",
        "store": True,
        "metadata": {"a": "b"},
        "prediction": {"type": "content", "content": "x"},
        "verbosity": "low",
        "service_tier": "scale",
        "safety_identifier": "s",
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "implicit"},
        "chat_template_kwargs": {},
        "no_such_field": 1,
        "bad\nname": 1,
        "options": {"no_such_option": 1},
    }
    response = server.post("/v1/chat/completions", body)
    assert response.status_code == 200
    named = response.headers["puna-ignored"].split(", ")
    assert set(named) == {
        *(set(body) - {"model", "messages", "max_tokens", "chat_template_kwargs", "bad\nname", "options"}),
        "messages.name",
        "messages.mood",
        "no_such_option",
        r"'bad\nname'",
    }
    assert "without effect here: " in server.log()
    plain = {
        "model": "cria",
        "messages": user(SKY),
        "max_tokens": 1,
        "store": False,
        "service_tier": "auto",
        "top_k": 3,
    }
    assert "puna-ignored" not in server.post("/v1/chat/completions", plain).headers


def test_keep_alive(client: OpenAI, server: Server) -> None:
    chat(client, extra_body={"keep_alive": 0, "num_ctx": 512})
    wait_for(lambda: 512 not in [entry["context_length"] for entry in server.loaded().values()])


def queued(client: OpenAI, server: Server, **fields: Any) -> dict[str, Any]:
    """Return what the queue says of a chat that has begun, and go away."""
    extra = {"ignore_eos": True, "shift": True, **fields.pop("extra_body", {})}
    asked: dict[str, Any] = {"model": "cria", "messages": user(SKY), "extra_body": extra, **fields}
    with client.chat.completions.create(**asked, stream=True) as chunks:
        request_id = next(iter(chunks)).id.removeprefix("chatcmpl-")
        entries = {entry["id"]: entry for entry in server.get("/api/queue").json()["requests"]}
    left = re.compile(rf"id={request_id} .*model=cria:latest dialect=openai outcome=gone")
    wait_for(lambda: left.search(server.log()), 20)
    entry: dict[str, Any] = entries[request_id]
    return entry


def test_cache_key_names_a_conversation(client: OpenAI, server: Server) -> None:
    plain, mine, yours = (queued(client, server, **fields) for fields in ({}, {"prompt_cache_key": "a"}, {"user": "a"}))
    assert mine["client"].startswith(plain["client"] + " ")
    assert yours["client"] == plain["client"]


@pytest.mark.parametrize("fields", [{"service_tier": "flex"}, {"extra_body": {"priority": "batch"}}])
def test_priority(client: OpenAI, server: Server, fields: dict[str, Any]) -> None:
    assert queued(client, server, **fields)["priority"] == "batch"
    assert queued(client, server, service_tier="auto")["priority"] == "interactive"


def test_priority_that_there_is_not(client: OpenAI) -> None:
    with refused(None, "invalid priority"):
        chat(client, extra_body={"priority": "first"})


def test_client_that_goes_away_ends_its_answer(client: OpenAI, server: Server) -> None:
    assert queued(client, server)["state"] == "running"


def test_calls_have_logprobs_where_they_are_read_here(client: OpenAI, server: Server, go_model: str) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER], "logprobs": True, "max_tokens": 60}
    choice = chat(client, "What is the weather in Lhasa?", model=go_model, **asked).choices[0]
    assert choice.message.tool_calls
    assert choice.logprobs
    assert choice.logprobs.content
    file = with_jinja(
        "{{ tools }}{% for m in messages %}{{ m.content }}"
        "{% for c in m.tool_calls or [] %}!!{{ c.function.name }}: {{ c.function.arguments }}{% endfor %}{% endfor %}"
    )
    digest = f"sha256:{hashlib.sha256(file).hexdigest()}"
    assert server.post(f"/api/blobs/{digest}", file).status_code == 201
    server.ask("/api/create", {"model": "calls-oddly", "files": {"a.gguf": digest}, "stream": False})
    with refused("logprobs"):
        chat(client, "What is the weather in Lhasa?", model="calls-oddly", **asked)
    server.request("DELETE", "/api/delete", {"model": "calls-oddly"})


def test_values_for_a_template_that_is_rendered_here(server: Server, go_model: str) -> None:
    body = {"model": go_model, "messages": user(SKY), "max_tokens": 1}
    kwargs = {"chat_template_kwargs": {"enable_thinking": False, "mood": "good"}}
    assert server.post("/v1/chat/completions", body | kwargs).headers["puna-ignored"] == "chat_template_kwargs.mood"
    assert "puna-ignored" not in server.post("/v1/chat/completions", body | kwargs | {"model": "cria"}).headers


def test_values_for_the_template_in_a_file(client: OpenAI, server: Server) -> None:
    file = with_jinja("{{ mood }}{% for m in messages %}{{ m.content }}{% endfor %}")
    digest = f"sha256:{hashlib.sha256(file).hexdigest()}"
    assert server.post(f"/api/blobs/{digest}", file).status_code in {200, 201}
    server.ask("/api/create", {"model": "openai-mood", "files": {"m.gguf": digest}, "stream": False})
    plain, told = (
        chat(client, model="openai-mood", max_tokens=1, extra_body={"chat_template_kwargs": kwargs}).usage
        for kwargs in ({}, {"mood": "a very good mood"})
    )
    assert plain
    assert told
    assert told.prompt_tokens > plain.prompt_tokens


def test_thoughts_before_a_format(client: OpenAI) -> None:
    inner = {"name": "number", "schema": SCHEMA, "strict": True}
    asked: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": inner}, "max_tokens": 300}
    message: Any = chat(client, "What is 3 + 1?", reasoning_effort="high", **asked).choices[0].message
    assert message.reasoning
    assert json.loads(message.content)["n"] in (3, 4, 5)


async def test_async_client(server: Server) -> None:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x", _strict_response_validation=True) as client:
        asked: dict[str, Any] = {"model": "cria", "messages": user(SKY), "max_tokens": 3, "temperature": 0}
        whole = await client.chat.completions.create(**asked)
        chunks = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
