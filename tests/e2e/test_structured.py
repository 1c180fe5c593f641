"""Structured output: every answer that ends with ``stop`` is valid; what cannot be enforced is refused."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator
from tests.e2e.prompting import chat, chat_stream, refusal, user
from tests.e2e.schemas import SchemaMaker
from tests.server import Server

COUNT = 200
AT_A_TIME = 4
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
ANNA = user("My name is Anna and I am 31 years old.")


@pytest.fixture(params=["engine", "go"])
def model(request: pytest.FixtureRequest, go_model: str) -> str:
    """The built-in model by either path."""
    return "cria" if request.param == "engine" else go_model


def ask(server: Server, schema: dict[str, Any], seed: int) -> tuple[str, str]:
    body = {
        "model": "cria",
        "prompt": "Give an example as JSON.",
        "stream": False,
        "format": schema,
        "options": {"temperature": 0.8, "seed": seed, "num_predict": 96},
    }
    response = requests.post(f"{server.url}/api/generate", json=body, timeout=60)
    assert response.status_code == 200, (response.text, json.dumps(schema, ensure_ascii=False))
    answer = response.json()
    return answer["response"], answer["done_reason"]


def test_answers_to_random_schemas_are_valid(server: Server) -> None:
    def one(seed: int) -> str:
        schema = SchemaMaker(seed, depth=seed * 6 // COUNT).make()
        Draft202012Validator.check_schema(schema)
        text, reason = ask(server, schema, seed)
        if reason == "stop":
            errors = [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(text))]
            assert not errors, (seed, schema, text, errors)
        return reason

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ends = Counter(pool.map(one, range(COUNT)))
    assert ends["stop"] > COUNT / 2, ends


def test_random_schemas_are_what_they_should_be() -> None:
    texts = [json.dumps(SchemaMaker(seed, depth=seed * 6 // COUNT).make()) for seed in range(COUNT)]
    assert len(set(texts)) > COUNT * 3 / 4
    for keyword in ("properties", "items", "prefixItems", "enum", "const", "anyOf", "$ref", "pattern", "minLength"):
        assert sum(f'"{keyword}"' in text for text in texts) > 5, keyword
    for keyword in ("minItems", "exclusiveMinimum", '"additionalProperties": false', '"additionalProperties": {'):
        assert sum(keyword in text for text in texts) > 5, keyword


def test_json_is_an_object(server: Server, model: str) -> None:
    for look in (chat, chat_stream):
        answer = look(server, ANNA, model, format="json", options={"num_predict": 200, "temperature": 0.2, "seed": 1})
        if answer["done_reason"] == "stop":
            assert isinstance(json.loads(answer["message"]["content"]), dict)
        assert answer["message"]["content"].lstrip()[:1] == "{"


def test_empty_schema_is_any_json(server: Server, model: str) -> None:
    for seed in range(3):
        answer = chat(server, ANNA, model, format={}, options={"temperature": 1, "seed": seed})
        if answer["done_reason"] == "stop":
            json.loads(answer["message"]["content"])


def test_schema_binds_the_answer(server: Server, model: str) -> None:
    for seed in range(3):
        answer = chat(server, ANNA, model, format=PERSON, options={"temperature": 1.5, "seed": seed})
        assert answer["done_reason"] == "stop"
        Draft202012Validator(PERSON).validate(json.loads(answer["message"]["content"]))


@pytest.mark.parametrize("look", [chat, chat_stream])
def test_schema_binds_what_comes_after_the_thinking(server: Server, model: str, look: Any) -> None:
    for seed in range(3):
        options = {"temperature": 0.8, "seed": seed, "num_predict": 160}
        answer = look(server, ANNA, model, format=PERSON, think=True, options=options)
        if answer["done_reason"] == "stop":
            Draft202012Validator(PERSON).validate(json.loads(answer["message"]["content"]))
        assert answer["message"]["thinking"]


def test_answer_comes_in_its_format_when_thoughts_are_cut_short(server: Server, model: str) -> None:
    """The end of a text, written where the closing tag should be, ends the thoughts and not the answer."""
    end = server.ask("/api/show", {"model": model})["model_info"]["tokenizer.ggml.eos_token_id"]
    options = {"logit_bias": {str(end): 100}, "num_predict": 60}
    answer = chat(server, ANNA, model, format=PERSON, think=True, options=options)
    assert answer["done_reason"] == "stop"
    Draft202012Validator(PERSON).validate(json.loads(answer["message"]["content"]))


def test_schema_binds_where_tools_are_given(server: Server, model: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    answer = chat(server, ANNA, model, format=PERSON, tools=[tool])
    Draft202012Validator(PERSON).validate(json.loads(answer["message"]["content"]))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"not": {}}, "format: unsupported JSON Schema keyword: not"),
        ({"type": "array", "contains": {}}, "format: unsupported JSON Schema keyword: contains"),
        ({"$ref": "#"}, "format: unsupported JSON Schema keyword: $ref"),
        ({"type": "integer", "multipleOf": 9999991}, "format: unsupported JSON Schema keyword: multipleOf"),
        ({"enum": list(range(100_000))}, "format: the schema is too large to be enforced"),
        ({"type": "string", "pattern": "(?=a)b"}, "format: "),
        ({"type": "foo"}, "format: "),
        ({"$ref": "#/$defs/none"}, "format: "),
        ("xml", 'invalid format: "xml"; expected "json" or a valid JSON Schema object'),
        (5, "format must be"),
        ([], "format must be"),
    ],
)
def test_what_cannot_be_enforced_is_refused(server: Server, schema: Any, message: str) -> None:
    for path, body in (("/api/chat", {"messages": ANNA}), ("/api/generate", {"prompt": "x"})):
        for think in (None, True):
            assert message in refusal(server, path, format=schema, think=think, **body)


@pytest.mark.parametrize("grammar", ["root ::= <[999999]>", "root ::= <|im_end|>", "root ::= <nothing>"])
def test_grammar_that_the_model_has_no_token_for_is_refused(server: Server, grammar: str) -> None:
    message = refusal(server, "/api/generate", prompt="x", options={"grammar": grammar})
    assert "token" in message
    assert "exception" not in message
    assert "sampler" not in message
