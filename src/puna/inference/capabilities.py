"""What a model can do, as its files say: the words that ``/api/show`` lists and requests are checked against."""

import re
from functools import lru_cache

from puna.errors import BadRequestError
from puna.inference.families.parsers import PARSERS
from puna.inference.families.voice import parse_template, voice_of
from puna.inference.prompt.ollama_template import thinking_tags
from puna.models.gguf import GGUFFile
from puna.models.model import Model
from puna.scheduler.launch import is_embedding_model, is_reranker

_JINJA_CODE, _TOOLS = re.compile(r"\{[{%][^}]*"), re.compile(r"\btools\b")
_JINJA_THINKING = (
    *("enable_thinking", "reasoning_content", "reasoning_effort"),
    *("<think>", "<|channel|>", "<|thought_start|>"),
)
_FIM_KEYS = ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.fim_mid_token_id")
_FIELDS = {"tools": "tools", "insert": "suffix"}
"""Fields that ask for a capability under the same name in every dialect."""


def fim_tokens(gguf: GGUFFile) -> tuple[int, ...]:
    """Return the tokens before a prefix, before a suffix and before the text between; () where a model has none."""
    found = tuple(token for key in _FIM_KEYS if isinstance(token := gguf.metadata.get(key), int))
    return found if len(found) == len(_FIM_KEYS) else ()


class UnsupportedError(BadRequestError):
    """The model cannot do what the request needs."""

    def __init__(self, name: str, capability: str) -> None:
        super().__init__(f'"{name}" does not support {capability}', param=_FIELDS.get(capability))


def capabilities(model: Model) -> tuple[str, ...]:
    """Return what the model can do, in Ollama's words and order."""
    gguf = model.gguf
    if is_reranker(gguf):
        return ("rerank",)
    if is_embedding_model(gguf):
        return ("embedding",)
    found = ["completion"]
    voice = voice_of(model)
    tools = thinking = insert = False
    if template_text := voice.template or (model.template if voice.renderer else ""):
        template = parse_template(template_text)
        tools = "tools" in template.variables
        thinking = thinking_tags(template) is not None or "think" in template.variables
        insert = "suffix" in template.variables
    elif gguf.chat_template and not voice.renderer:
        tools = _names_tools(gguf.chat_template)
        thinking = any(word in gguf.chat_template for word in _JINJA_THINKING)
    if voice.parser:
        parsing = PARSERS[voice.parser]
        tools, thinking = tools or parsing.tools, thinking or parsing.thinking
    insert = insert or bool(fim_tokens(gguf))
    found += model.senses
    found += ["tools"] * tools + ["insert"] * insert + ["thinking"] * thinking
    return tuple(found)


@lru_cache(maxsize=64)
def _names_tools(template: str) -> bool:
    """Return whether code of a Jinja template names tools.

    Each part of the text is looked at once: one pattern for all of it begins again at each of a million braces, and
    nobody else has the interpreter until it has ended.
    """
    return "tools" in template and any(
        "tools" in code[0] and _TOOLS.search(code[0]) for code in _JINJA_CODE.finditer(template)
    )


def require(model: Model, name: str, capability: str, word: str = "") -> None:
    """Raise ``UnsupportedError`` unless the model has the capability; ``word`` is what the message calls it."""
    if capability not in capabilities(model):
        raise UnsupportedError(name, word or capability)
