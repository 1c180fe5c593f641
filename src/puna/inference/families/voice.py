"""Who speaks for a model: what renders its conversations, and what parses its answers.

The order is that of Ollama (``server/images.go``, ``server/routes.go``): what the manifest names; harmony for gpt-oss;
else the better of the manifest's Go template and the template in the GGUF file.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from puna.config.near import hint
from puna.inference.families.parsers import NAMED
from puna.inference.families.renderers import RENDERERS
from puna.inference.prompt.ollama_template import OllamaTemplate, thinking_tags
from puna.models.create.recipe import Recipe
from puna.models.model import Model

_log = logging.getLogger(__name__)
_HARMONY_FAMILIES = ("gptoss", "gpt-oss")
_HARMONY_MARKS = ("<|start|>", "<|end|>")
_BARE = re.compile(r"\s*\{\{-?\s*\.Prompt\s*-?\}\}\s*")
_SMALL, _LARGE = re.compile("e2b|e4b"), re.compile("12b|26b|31b")
_LARGE_SIZE = 12.0
_UNITS = {"K": 1e-6, "M": 1e-3, "B": 1.0}
_ROUND_TRIPS = ('eq .Role "tool"', "tool_response", "TOOL_RESULTS")
_JINJA_ROUND_TRIPS = re.compile(
    r"tool_response|tool_results|role['\"]\] == ['\"]tool['\"]|message\.role == ['\"]tool['\"]|ipython"
)
_SPLITS_AT_THE_END_OF_THOUGHTS = re.compile(r"content\.split\((['\"])</think>\1\)")


@dataclass(frozen=True, slots=True)
class Voice:
    """``renderer`` and ``parser`` are names, "" for none; ``template`` is the Go template that renders without one.

    Without either the engine renders the template in the GGUF file, if there is one.
    """

    renderer: str = ""
    parser: str = ""
    template: str = ""

    @property
    def renders_here(self) -> bool:
        """Return whether conversations are rendered here, not by the engine."""
        return bool(self.renderer or self.template)


def voice_of(model: Model, template: str = "") -> Voice:
    """Return who speaks for a model; ``template`` is a Go template that a request wants instead of the model's own."""
    config = model.config
    name = f"{model.name} {config.parameter_size}"
    renderer = "" if template else _known("renderer", _sized(config.renderer, name))
    parser = _known("parser", config.parser)
    if renderer:
        return Voice(renderer, parser)
    own = template or model.template
    if not parser and _is_harmony(config.family or model.gguf.architecture, own):
        return Voice(parser="harmony", template=own)
    if template or parser:
        return Voice(parser=parser, template=own)
    return Voice(template="" if _is_better(model.gguf.chat_template or "", own, model.go_template) else own)


def unheeded(model: Model, recipe: Recipe) -> Iterator[str]:
    """Yield what a recipe says of how its model speaks that has no effect on conversations."""
    for kind, name, known in (("renderer", recipe.renderer, RENDERERS), ("parser", recipe.parser, NAMED)):
        if name and name not in known:
            yield f"no {kind} is called {name!r} here{hint(name, known)}; the model's template is used"
    voice = voice_of(model)
    if recipe.template and voice.renderer:
        yield f"conversations are rendered by {voice.renderer}, not by the template"
    elif recipe.template and not voice.template and not is_bare(recipe.template):
        yield "the template in the GGUF file can do more and is used; with OLLAMA_GO_TEMPLATE=1 the model's own is"


@lru_cache(maxsize=64)
def parse_template(text: str) -> OllamaTemplate:
    """Return the parsed Go template; raise ``TemplateError`` (400) with line and reason."""
    return OllamaTemplate.parse(text)


def is_bare(template: str) -> bool:
    """Return whether a Go template says nothing but what the user said, which is what models without one are given."""
    return _BARE.fullmatch(template) is not None


@lru_cache(maxsize=64)
def _known(kind: str, name: str) -> str:
    if name and name not in (RENDERERS if kind == "renderer" else NAMED):
        _log.warning("no %s is called %r here; the model's template is used", kind, name)
        return ""
    return name


def _sized(renderer: str, name: str) -> str:
    """Return which of gemma4's two renderers a model is for, which its name tells, or its size."""
    if renderer != "gemma4":
        return renderer
    lowered = name.lower()
    if _SMALL.search(lowered):
        return "gemma4-small"
    size = name.rpartition(" ")[2]
    billions = float(size[:-1]) * _UNITS[size[-1]] if re.fullmatch(r"\d+(\.\d+)?[KMB]", size) else 0.0
    return "gemma4-large" if _LARGE.search(lowered) or billions >= _LARGE_SIZE else "gemma4-small"


def _is_harmony(family: str, template: str) -> bool:
    return family in _HARMONY_FAMILIES and all(mark in template for mark in _HARMONY_MARKS)


@lru_cache(maxsize=64)
def _is_better(jinja: str, template: str, go_template: bool | None) -> bool:
    """Return whether the engine is to render its own template although there is a Go template, or for want of one."""
    if not template or not jinja:
        return not template
    if is_bare(template):
        return True
    if go_template is not None:
        return not go_template
    parsed = parse_template(template)
    theirs, ours = _jinja_capabilities(jinja), _go_capabilities(parsed)
    if len(theirs) > len(ours):
        better = not _go_round_trip(parsed) or _jinja_round_trip(jinja)
    else:
        better = theirs == ours and "tools" in theirs and _jinja_round_trip(jinja) and not _go_round_trip(parsed)
    if better:
        _log.info(
            "the template in a GGUF file can do more than TEMPLATE %.60r and is used: %s; OLLAMA_GO_TEMPLATE=1 uses "
            "TEMPLATE all the same",
            template,
            ", ".join(sorted(theirs)),
        )
    return better


def _jinja_capabilities(text: str) -> set[str]:
    thinks = "<think>" in text and "</think>" in text
    splits = _SPLITS_AT_THE_END_OF_THOUGHTS.search(text) is not None
    splits = splits and "reasoning_content" not in text and "<SPECIAL_12>" not in text
    tools = "tools" in text or "tool_call" in text
    return ({"tools"} if tools else set()) | ({"thinking"} if thinks or splits else set())


def _go_capabilities(template: OllamaTemplate) -> set[str]:
    found = {word for name, word in (("tools", "tools"), ("suffix", "insert")) if name in template.variables}
    return found | ({"thinking"} if thinking_tags(template) else set())


def _jinja_round_trip(text: str) -> bool:
    """Return whether it shows the model its calls and their results."""
    calls = "tool_calls" in text or "assistant_tool_call" in text
    return calls and _JINJA_ROUND_TRIPS.search(text) is not None


def _go_round_trip(template: OllamaTemplate) -> bool:
    return {"tools", "toolcalls"} <= template.variables and any(mark in template.text for mark in _ROUND_TRIPS)
