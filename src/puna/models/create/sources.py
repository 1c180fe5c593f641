"""Where a model's weights come from: another model, GGUF files, or a checkpoint that is converted first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from puna.errors import BadRequestError
from puna.lazy import load
from puna.models import manifests
from puna.models.adapters import adapter_title
from puna.models.checkpoint import header_of
from puna.models.checkpoint_names import check_name, is_weights
from puna.models.config import ModelConfig, config_of, human_count
from puna.models.create.job import Job
from puna.models.gguf import GGUFFile, read_gguf
from puna.models.layouts.translation import as_engine_sees
from puna.models.manifests import Layer
from puna.models.split import in_order, is_part
from puna.names import ModelName

if TYPE_CHECKING:
    from puna.models.create.quantize import Mix

# Converting and quantising are imported where they happen: the NumPy behind them would be a fifth of an idle server.

_UNQUANTIZED = ("F32", "F16", "BF16")
_PICKLES = (".bin", ".pth", ".pt", ".ckpt", ".pkl")


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's layers so far, and the configuration that its weights imply."""

    config: ModelConfig
    layers: tuple[Layer, ...]

    def of_type(self, media_type: str) -> tuple[Layer, ...]:
        """Return the layers of one media type, in order."""
        return tuple(layer for layer in self.layers if layer.media_type == media_type)


def mix_of(name: str) -> "Mix | None":
    """Return the mix of this name, ``None`` for ""; raise ``QuantizeError`` for one that there is not."""
    if not name:
        return None
    load("puna.models.create.quantize")
    from puna.models.create.quantize import find_mix

    return find_mix(name)


def has_magic(job: Job, digest: str) -> bool:
    """Return whether a blob begins as GGUF files do; raise ``BlobNotFoundError``."""
    with job.library.blobs.path(digest).open("rb") as file:
        return file.read(4) == b"GGUF"


def weights_of_base(job: Job, base: ModelName, files: Mapping[str, str], mix: "Mix | None") -> Weights:
    """Return the layers of another model, with a projector among ``files`` in the place of its own.

    Raises ``ModelNotFoundError``.
    """
    model = job.library.get(base)
    if mix and model.is_checkpoint:
        raise BadRequestError(f"{model.name} was kept as it is; to quantize it, make it from its files")
    added = _gguf_layers(job, files)
    if any(layer.media_type == manifests.MODEL for layer, _ in added):
        raise BadRequestError('"from" names a model, and so do "files"')
    layers = [
        replace(job.existing(layer.media_type, layer.digest), source=layer.source or str(model.name), name=layer.name)
        for layer in model.manifest.layers
        if not added or layer.media_type != manifests.PROJECTOR  # an engine is given one
    ]
    weights = Weights(model.config, (*layers, *(layer for layer, _ in added)))
    return _quantized(job, weights, model.ggufs, mix) if mix else weights


def weights_of_files(job: Job, files: Mapping[str, str], mix: "Mix | None", *, keep: bool = False) -> Weights:
    """Return the layers that uploaded files make: GGUF files as they are, a checkpoint as what it is converted to.

    With ``keep`` a checkpoint stays what it is.
    """
    for name in files:
        if name.lower().endswith(_PICKLES) and not has_magic(job, files[name]):
            raise BadRequestError(f"{name} can run code when it is read; save the model as safetensors instead")
    if any(map(is_weights, files)):
        return _kept(job, files) if keep else _converted(job, files, mix)
    if keep:
        raise BadRequestError("only checkpoints in safetensors can be kept as they are; none of the files is one")
    found = _gguf_layers(job, files)
    models = [(layer, gguf) for layer, gguf in found if layer.media_type == manifests.MODEL]
    if not models:
        raise BadRequestError("none of the files is a model")
    ggufs = tuple(gguf for _, gguf in models)
    config = replace(config_of(ggufs[0]), parameter_size=human_count(sum(gguf.parameter_count for gguf in ggufs)))
    weights = Weights(config, tuple(layer for layer, _ in found))
    return _quantized(job, weights, ggufs, mix) if mix else weights


def _gguf_layers(job: Job, files: Mapping[str, str]) -> list[tuple[Layer, GGUFFile]]:
    """Return the layer of each file with its header: the model's parts in order, then its projectors."""
    models: list[tuple[str, GGUFFile]] = []
    projectors: list[tuple[str, GGUFFile]] = []
    for name, digest in sorted(files.items()):
        if not has_magic(job, digest):
            raise BadRequestError(f"{name} is not a GGUF file")
        gguf = job.read(name, digest)
        if gguf.kind == "adapter":
            raise BadRequestError(f"{name} is an adapter: it belongs to ADAPTER, and a model to FROM")
        (projectors if gguf.kind == "mmproj" or gguf.architecture == "clip" else models).append((name, gguf))
    if any(is_part(gguf) for _, gguf in models):
        headers = dict(models)
        models = [(name, headers[name]) for name in in_order(models)]
    elif len(models) > 1:
        raise BadRequestError(f"{models[0][0]} and {models[1][0]} are two models; name one of them")
    if len(projectors) > 1:
        raise BadRequestError(f"{projectors[0][0]} and {projectors[1][0]} are two projectors; name one of them")
    return [
        (job.existing(media_type, files[name]), gguf)
        for media_type, found in ((manifests.MODEL, models), (manifests.PROJECTOR, projectors))
        for name, gguf in found
    ]


def _quantized(job: Job, weights: Weights, ggufs: tuple[GGUFFile, ...], mix: "Mix") -> Weights:
    """Return ``weights`` with their model in another mix."""
    old = ggufs[0].file_type or "unknown"
    if old not in _UNQUANTIZED:
        raise BadRequestError(f"quantization is only supported for F16, F32 and BF16 models; this one is {old}")
    if old == mix.name:
        return weights
    model = weights.of_type(manifests.MODEL)
    paths = [gguf.path for gguf in ggufs]
    with job.scratch(sum(layer.size for layer in model) * (2 if mix.name == "F32" else 1)) as directory:
        layer, config = _quantize(job, paths, directory, mix, model[0].digest)
    config = replace(weights.config, quantization=config.quantization)
    rest = (item for item in weights.layers if item.media_type != manifests.MODEL)
    return Weights(config, (layer, *rest))


def _quantize(job: Job, paths: list[Path], directory: Path, mix: "Mix", digest: str = "") -> tuple[Layer, ModelConfig]:
    load("puna.models.create.quantize")
    from puna.models.create.quantize import quantize

    out = directory / "quantized.gguf"
    meter = job.meter(f"quantizing model to {mix.name}", digest)
    quantize(paths, out, mix=mix.name, progress=meter, cancelled=job.cancelled)
    config = config_of(read_gguf(out))
    return job.add_file(manifests.MODEL, out), config


def _converted(job: Job, files: Mapping[str, str], mix: "Mix | None") -> Weights:
    """Return the model that a checkpoint makes, in its own type of numbers unless ``mix`` is another."""
    load("puna.models.create.convert")
    from puna.models.create.convert import convert

    outtype = mix.name.lower() if mix and mix.name in _UNQUANTIZED else "auto"
    then = None if mix is None or mix.name in _UNQUANTIZED else mix
    size = sum(job.library.blobs.path(digest).stat().st_size for digest in files.values())
    with job.scratch(size * (2 if then or outtype == "f32" else 1)) as directory:
        source, out = directory / "source", directory / "converted.gguf"
        job.lay_out(files, source)
        convert(source, out, outtype=outtype, progress=job.meter("converting model"), cancelled=job.cancelled)
        if then:
            layer, config = _quantize(job, [out], directory, then)
        else:
            config = config_of(read_gguf(out))
            layer = job.add_file(manifests.MODEL, out)
    return Weights(config, (layer,))


def _kept(job: Job, files: Mapping[str, str]) -> Weights:
    """Return the layers of a checkpoint as it is; raise ``BadManifestError`` if it cannot be read."""
    layers = tuple(
        replace(job.existing(manifests.CHECKPOINT, digest), name=check_name(name))
        for name, digest in sorted(files.items())
    )
    with job.scratch(0) as directory:
        source = directory / "source"
        job.lay_out(files, source)
        header = header_of(source)
    return Weights(replace(config_of(header), format="safetensors"), layers)


def checked_adapters(job: Job, files: Mapping[str, str]) -> list[GGUFFile]:
    """Return the headers of the GGUF adapters among ``files``; raise ``BadRequestError`` for what is none."""
    found = []
    for name, digest in sorted(files.items()):
        if has_magic(job, digest):
            gguf = job.read(name, digest)
            if gguf.kind != "adapter":
                raise BadRequestError(f"{name} is not an adapter but a {gguf.kind}")
            if not gguf.tensors:
                raise BadRequestError(f"{name} is an adapter without tensors, which changes nothing")
            found.append(gguf)
    if found and len(found) < len(files):
        raise BadRequestError("the adapters are partly GGUF and partly not")
    return found


def adapter_layers(job: Job, files: Mapping[str, str], weights: Weights) -> list[Layer]:
    """Return the layers of adapters for ``weights``: GGUF files as they are, others converted."""
    if not files:
        return []
    base = job.library.blobs.path(weights.of_type(manifests.MODEL)[0].digest)
    ggufs = checked_adapters(job, files)
    for name, gguf in zip(sorted(files), ggufs, strict=False):
        if gguf.architecture != (wanted := as_engine_sees(read_gguf(base)).architecture):
            raise BadRequestError(f"{name} is an adapter for {gguf.architecture}, and the model is {wanted}")
    if ggufs:
        layers = [(name, job.existing(manifests.ADAPTER, digest)) for name, digest in sorted(files.items())]
        return [replace(layer, title=adapter_title(name)) for name, layer in layers]
    load("puna.models.create.convert")
    from puna.models.create.convert import convert_adapter

    size = sum(job.library.blobs.path(digest).stat().st_size for digest in files.values())
    with job.scratch(size * 2) as directory:
        source, out = directory / "source", directory / "adapter.gguf"
        job.lay_out(files, source)
        convert_adapter(source, base, out, progress=job.meter("converting adapter"), cancelled=job.cancelled)
        return [job.add_file(manifests.ADAPTER, out)]


def draft_layers(job: Job, files: Mapping[str, str]) -> list[tuple[Layer, GGUFFile]]:
    """Return the layers of a draft model, which must be GGUF, with their headers."""
    found = _gguf_layers(job, files)
    if any(layer.media_type == manifests.PROJECTOR for layer, _ in found):
        raise BadRequestError("a projector is no draft model: it belongs to FROM, and a draft model to DRAFT")
    return [(replace(layer, media_type=manifests.DRAFT), gguf) for layer, gguf in found]
