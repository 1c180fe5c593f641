"""What a model gets that says nothing of its own: the renderer, parser and stop strings of its architecture.

Source: ``server/create.go`` of Ollama.
"""

from dataclasses import dataclass, replace

from puna.models.config import ModelConfig
from puna.models.create.recipe import Recipe


@dataclass(frozen=True, slots=True)
class _Speech:
    renderer: str
    parser: str
    stop: tuple[str, ...] = ()


_NEMOTRON = _Speech("nemotron-3-nano", "nemotron-3-nano")
_BY_ARCHITECTURE = {
    "gemma4": _Speech("gemma4", "gemma4", ("<turn|>",)),
    "laguna": _Speech("laguna", "laguna"),
    "nemotron_h": _NEMOTRON,
    "nemotron_h_moe": _NEMOTRON,
    "nemotron_h_omni": _NEMOTRON,
}


def with_speech(recipe: Recipe, config: ModelConfig, *, has_stop: bool) -> Recipe:
    """Return the recipe with what the architecture implies; ``has_stop`` tells that the base sets stop strings."""
    renderer, parser = recipe.renderer or config.renderer, recipe.parser or config.parser
    speech = _BY_ARCHITECTURE.get(config.family)
    if speech is None or (renderer and parser):
        return recipe
    stop = {} if has_stop or "stop" in recipe.parameters or not speech.stop else {"stop": list(speech.stop)}
    return replace(
        recipe,
        renderer=renderer or speech.renderer,
        parser=parser or speech.parser,
        parameters={**recipe.parameters, **stop},
    )
