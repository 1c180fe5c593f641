"""dspy, which leaves ``/v1`` out where its user does, and has ways to ask of its own."""

import json
import os

import dspy
import pytest

URL = os.environ["PUNA_URL"]
SUM = {
    "type": "object",
    "properties": {"total": {"type": "integer"}},
    "required": ["total"],
    "additionalProperties": False,
}
MODELS = {
    "openai": ("openai/cria", f"{URL}/v1"),
    "openai without /v1": ("openai/cria", URL),
    "openai/v1": ("openai/cria", f"{URL}/openai/v1"),
    "ollama": ("ollama_chat/cria", URL),
}


@pytest.mark.parametrize("name", MODELS)
def test_answers(name):
    model, base = MODELS[name]
    lm = dspy.LM(model, api_base=base, api_key="x", max_tokens=100, temperature=0, cache=False)
    (answer,) = lm("Why is the sky blue?")
    assert answer
    form = {"type": "json_schema", "json_schema": {"name": "sum", "strict": True, "schema": SUM}}
    (answer,) = lm("What is 3 + 4?", response_format=form)
    assert isinstance(json.loads(answer)["total"], int)
