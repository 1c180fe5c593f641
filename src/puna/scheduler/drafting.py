"""Who guesses a model's tokens ahead: a draft model that came with it, or layers of its own that were made for that."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from puna.models.drafts import has_mtp, misfit, way_of
from puna.models.gguf import GGUFError, read_gguf
from puna.models.layouts.translation import as_engine_sees
from puna.models.manifests import DRAFT
from puna.models.model import Model
from puna.scheduler.tuned import UNTUNED, Tuned

DEFAULT_TOKENS = 4
"""How many tokens a draft model guesses unless somebody says otherwise; Ollama's ``draft_num_predict``."""


@dataclass(frozen=True, slots=True)
class Drafter:
    """What guesses: llama.cpp's name of the way, and the digest of the file, "" for the model's own."""

    speculation: str
    digest: str = ""


def drafter_of(model: Model) -> Drafter | None:
    """Return what can guess for a model without anything else being named, ``None`` if nothing can."""
    if model.gguf.embeds:
        return None
    layers = model.manifest.of_type(DRAFT)
    if not layers:
        return Drafter("draft-mtp") if has_mtp(model.engine_gguf) else None
    if len(layers) > 1 or not model.blobs.has(layers[0].digest):
        return None
    way = _way_of(model.blobs.path(layers[0].digest), model.gguf.path)
    return Drafter(way, layers[0].digest) if way else None


def drafted(tuned: Tuned, model: Model, tokens: int) -> Tuned:
    """Return how a runner is started when a request wants so many tokens guessed: 0 for none, -1 if it does not say.

    What was measured then decides; where nothing was, a draft model that came with the model is used. Layers inside a
    model are used when they are asked for or measured to be faster, as in Ollama.
    """
    if tokens < 0 and tuned != UNTUNED:
        return tuned
    drafter = drafter_of(model)
    if drafter is None or (tokens < 0 and not drafter.digest):
        return tuned
    if tokens == 0:
        return tuned.plain()
    wanted = tokens if tokens > 0 else DEFAULT_TOKENS
    return replace(tuned, speculation=drafter.speculation, draft=drafter.digest, draft_tokens=wanted, draft_match=0)


@lru_cache(maxsize=64)
def _way_of(draft: Path, model: Path) -> str:
    """Return how a draft model guesses for a model, "" if it cannot. A blob never changes."""
    try:
        header = read_gguf(draft)
        return "" if misfit(header, read_gguf(model)) else way_of(as_engine_sees(header))
    except (GGUFError, OSError):
        return ""
