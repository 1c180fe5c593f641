"""What models can do, as their files and templates say."""

from pathlib import Path
from typing import Any

import pytest
from tests.inference.world import model_of

from puna.inference.capabilities import UnsupportedError, capabilities, require

FIM = {"tokenizer.ggml.fim_pre_token_id": 2, "tokenizer.ggml.fim_suf_token_id": 3, "tokenizer.ggml.fim_mid_token_id": 4}
QWEN = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
    "{% if enable_thinking %}<think>{% endif %}"
)


def jinja(text: str) -> dict[str, Any]:
    return {"tokenizer.chat_template": text}


@pytest.mark.parametrize(
    ("metadata", "recipe", "expected"),
    [
        ({}, {}, ["completion"]),
        (jinja("{{ messages }}"), {}, ["completion"]),
        (jinja("the tools of {{ messages }}"), {}, ["completion"]),
        (jinja("{{ retools }}{{ toolset }} tools {{ messages }}"), {}, ["completion"]),
        (jinja("{{ a }}{%- if {{tools %}"), {}, ["completion", "tools"]),
        (jinja(QWEN), {}, ["completion", "tools", "thinking"]),
        (jinja("<|thought_start|>{{ tools }}"), {}, ["completion", "tools", "thinking"]),
        (jinja(QWEN), {"template": "{{ .Prompt }}"}, ["completion", "tools", "thinking"]),
        (jinja("{{ messages }}"), {"template": "{{ .Tools }}{{ .Messages }}"}, ["completion", "tools"]),
        ({}, {"parser": "qwen3-thinking"}, ["completion", "tools", "thinking"]),
        ({}, {"parser": "olmo3-think"}, ["completion", "thinking"]),
        (jinja(QWEN), {"renderer": "qwen3-vl-instruct", "parser": "qwen3-vl-instruct"}, ["completion", "tools"]),
        (jinja(QWEN), {"renderer": "nobody's"}, ["completion", "tools", "thinking"]),
        ({}, {"template": "{{ .Tools }}{{ .Messages }}"}, ["completion", "tools"]),
        ({}, {"template": "{{ .Prompt }} {{ .Suffix }}"}, ["completion", "insert"]),
        ({}, {"template": "{{ if .Think }}<think>{{ end }}{{ .Messages }}"}, ["completion", "thinking"]),
        (FIM, {}, ["completion", "insert"]),
        (dict(list(FIM.items())[:2]), {}, ["completion"]),
        (FIM | {"tokenizer.ggml.fim_mid_token_id": "text"}, {}, ["completion"]),
    ],
)
def test_capabilities(tmp_path: Path, metadata: dict[str, Any], recipe: dict[str, Any], expected: list[str]) -> None:
    assert list(capabilities(model_of(tmp_path, metadata, **recipe))) == expected


def test_embedding_model_only_embeds(tmp_path: Path) -> None:
    model = model_of(tmp_path, {"bert.pooling_type": 1}, arch="bert")
    assert capabilities(model) == ("embedding",)
    with pytest.raises(UnsupportedError, match=r'^"tiny" does not support chat$'):
        require(model, "tiny", "completion", "chat")


@pytest.mark.parametrize("text", ["{" * 1_000_000 + " tools", "{{ tool" * 200_000 + "tools", "tools {%" * 200_000])
def test_a_template_is_looked_through_once(tmp_path: Path, text: str) -> None:
    # To begin again at each brace takes minutes, in which nothing else of the server goes on.
    assert "completion" in capabilities(model_of(tmp_path, jinja(text)))
