"""Makes a model: its weights, then the layers that a request adds or replaces, then the name."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

import orjson

from puna.errors import BadRequestError, PunaError
from puna.models import manifests
from puna.models.config import ModelConfig, encode_parameters
from puna.models.create.defaults import with_speech
from puna.models.create.job import Job, Report
from puna.models.create.progress import CancelledCheck
from puna.models.create.recipe import Recipe
from puna.models.create.sources import (
    Weights,
    adapter_layers,
    checked_adapters,
    draft_layers,
    mix_of,
    weights_of_base,
    weights_of_files,
)
from puna.models.drafts import misfit, stands_alone
from puna.models.gguf import GGUFFile, read_gguf
from puna.models.library import Library
from puna.models.loadable import LoadCheck, UnloadableError, UnsupportedModelError, anything, try_to_load
from puna.models.manifests import Layer, make_manifest
from puna.models.model import Model
from puna.models.storage import storage_errors
from puna.names import ModelName

Remarks = Callable[[Model, Recipe], Iterable[str]]
"""Returns what of a recipe has no effect on the model that it has made."""
_ORDER = (
    manifests.MODEL,
    manifests.CHECKPOINT,
    manifests.PROJECTOR,
    manifests.ADAPTER,
    manifests.DRAFT,
    manifests.TEMPLATE,
    manifests.SYSTEM,
    manifests.PARAMS,
    manifests.MESSAGES,
    manifests.LICENSE,
)


def create(
    library: Library,
    name: ModelName,
    recipe: Recipe,
    report: Report,
    cancelled: CancelledCheck,
    load_check: LoadCheck = anything,
    remarks: Remarks = lambda *_: (),
) -> None:
    """Make the model ``name``; it appears complete or not at all, and what was made for it goes if it does not.

    Nothing is reported before everything that can be read quickly has been checked and ``load_check`` has tried the
    files that are GGUF already; ``remarks`` come last. Raises ``ModelNotFoundError`` for the base,
    ``BlobNotFoundError`` for a file, ``GGUFError``, ``SafetensorsError`` or ``ConvertError`` for one that is broken,
    ``UnloadableError`` for files that no engine can load, ``QuantizeError``, ``BadRequestError`` for parts that do not
    fit together, ``StorageError``, and ``CreateCancelledError`` soon after ``cancelled`` says so.
    """
    added: list[str] = []
    done = False
    try:
        with storage_errors(library.root / "model"), library.blobs.holding() as hold:
            _create(Job(library, report, cancelled, hold, added, load_check), name, recipe)
            done = True
    finally:
        if not done:
            library.discard(added)
    with contextlib.suppress(PunaError, OSError):  # it may be gone again
        for remark in remarks(library.get(name), recipe):
            report({"status": f"warning: {remark}"})
    report({"status": "success"})


def _create(job: Job, name: ModelName, recipe: Recipe) -> None:
    mix = mix_of(recipe.quantize)
    checked_adapters(job, recipe.adapters)
    drafts = draft_layers(job, recipe.drafts)
    if recipe.base:
        weights = weights_of_base(job, recipe.base, recipe.files, mix)
    else:
        weights = weights_of_files(job, recipe.files, mix, keep=recipe.keep)
    if (recipe.adapters or recipe.drafts) and not weights.of_type(manifests.MODEL):
        raise BadRequestError("a checkpoint that is kept as it is takes no adapter or draft")
    base = job.library.get(recipe.base).parameters if recipe.base else {}
    recipe = with_speech(recipe, weights.config, has_stop="stop" in base)
    adapters = adapter_layers(job, recipe.adapters, weights)
    _try_to_load(job, recipe, weights, adapters)
    _try_to_load_drafts(job, drafts)
    for _, draft in drafts:
        if reason := misfit(draft, read_gguf(job.library.blobs.path(weights.of_type(manifests.MODEL)[0].digest))):
            job.say(f"warning: the draft model will not be used: {reason}")
    layers = [layer for layer in weights.layers if not drafts or layer.media_type != manifests.DRAFT]
    layers += [*adapters, *(layer for layer, _ in drafts)]
    for layer in layers:
        if layer.digest not in job.added:
            job.say(f"using existing layer {layer.digest}")
    layers = _in_order(_with_own(job, layers, recipe))
    config = _config(weights, recipe, [gguf for _, gguf in drafts])
    config_layer = job.add(manifests.CONFIG_TYPE, config.encode([layer.digest for layer in layers]))
    job.say("writing manifest")
    job.check()
    job.library.put(name, make_manifest(config_layer, tuple(layers)), made_here=True)


def _try_to_load(job: Job, recipe: Recipe, weights: Weights, adapters: list[Layer]) -> None:
    """Let the engine say whether what is new among the files can be loaded; raise ``UnloadableError`` if not."""
    if not (recipe.files or recipe.adapters or recipe.quantize):
        return
    adapters = adapters or list(weights.of_type(manifests.ADAPTER))
    models = weights.of_type(manifests.MODEL)
    warning = ""
    try:
        try_to_load([*models, *adapters, *weights.of_type(manifests.PROJECTOR)], job.library.blobs, job.load_check)
    except UnsupportedModelError as error:
        warning = str(error)
    if {layer.digest for layer in models} <= set(recipe.files.values()):
        job.say("parsing GGUF")
    if warning:
        job.say(f"warning: {warning}")


def _try_to_load_drafts(job: Job, drafts: list[tuple[Layer, GGUFFile]]) -> None:
    """Let the engine say whether a draft model can be loaded; raise ``UnloadableError`` if not.

    Those that go on from what a model has computed load with that model only.
    """
    models = [replace(layer, media_type=manifests.MODEL) for layer, gguf in drafts if stands_alone(gguf)]
    try:
        try_to_load(models, job.library.blobs, job.load_check)
    except UnsupportedModelError as error:
        job.say(f"warning: the draft model will not be used: {error}")
    except UnloadableError as error:
        raise UnloadableError(f"draft model: {error}") from None


def _with_own(job: Job, layers: list[Layer], recipe: Recipe) -> list[Layer]:
    """Return the layers with the request's own in the place of the base's; an empty text takes the base's away."""
    own: list[tuple[str, bytes]] = []
    if recipe.template is not None:
        own.append((manifests.TEMPLATE, recipe.template.encode()))
    if recipe.system is not None:
        own.append((manifests.SYSTEM, recipe.system.encode()))
    if recipe.parameters:
        base = job.library.get(recipe.base).parameters if recipe.base else {}
        own.append((manifests.PARAMS, encode_parameters({**base, **recipe.parameters})))
    if recipe.messages:
        own.append((manifests.MESSAGES, orjson.dumps(list(recipe.messages))))
    replaced = {media_type for media_type, _ in own}
    own += [(manifests.LICENSE, text.encode()) for text in recipe.licenses]
    kept = [layer for layer in layers if layer.media_type not in replaced]
    return kept + [job.add(media_type, data) for media_type, data in own if data]


def _in_order(layers: list[Layer]) -> list[Layer]:
    """Return the layers by kind, without those that are there already (a license that the base has as well)."""
    unique: dict[tuple[str, str, str], Layer] = {}
    for layer in layers:
        unique.setdefault((layer.media_type, layer.digest, layer.name), layer)
    places = {media_type: place for place, media_type in enumerate(_ORDER)}
    return sorted(unique.values(), key=lambda layer: places.get(layer.media_type, len(places)))


def _config(weights: Weights, recipe: Recipe, drafts: list[GGUFFile]) -> ModelConfig:
    config = weights.config
    if drafts:
        draft = {"model_format": "gguf", "architecture": drafts[0].architecture}
        config = replace(config, extra={**config.extra, "draft": draft})
    return replace(
        config,
        requires=recipe.requires or config.requires,
        renderer=recipe.renderer or config.renderer,
        parser=recipe.parser or config.parser,
    )
