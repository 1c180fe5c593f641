"""instructor, in each of its modes that models here have."""

import os

import anthropic
import instructor
import pytest
from pydantic import BaseModel

import openai

URL = os.environ["PUNA_URL"]
QUESTION = [{"role": "user", "content": "What is 3 + 4?"}]


class Sum(BaseModel):
    """The sum of two numbers."""

    total: int


@pytest.mark.parametrize("mode", ["JSON_SCHEMA", "TOOLS", "TOOLS_STRICT", "RESPONSES_TOOLS"])
def test_openai(mode):
    if not hasattr(instructor.Mode, mode):
        pytest.skip(f"there is no mode {mode}")
    client = instructor.from_openai(
        openai.OpenAI(base_url=f"{URL}/v1", api_key="x"), mode=getattr(instructor.Mode, mode)
    )
    made = client.chat.completions.create(model="cria", messages=QUESTION, response_model=Sum, max_retries=0)
    assert isinstance(made, Sum)


def test_partial():
    client = instructor.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key="x"), mode=instructor.Mode.JSON_SCHEMA)
    parts = list(client.chat.completions.create_partial(model="cria", messages=QUESTION, response_model=Sum))
    assert isinstance(parts[-1].total, int)


def test_anthropic():
    client = instructor.from_anthropic(
        anthropic.Anthropic(base_url=URL, api_key="x"), mode=instructor.Mode.ANTHROPIC_TOOLS
    )
    made = client.chat.completions.create(
        model="cria", max_tokens=200, messages=QUESTION, response_model=Sum, max_retries=0
    )
    assert isinstance(made, Sum)
