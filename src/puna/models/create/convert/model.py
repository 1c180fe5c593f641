"""Converts a directory with a checkpoint into one GGUF file."""

from collections import Counter
from pathlib import Path

import gguf

from puna.models.create.convert.config import Config
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.families.registry import find_family
from puna.models.create.convert.output import PlannedTensor, replacing, write_gguf
from puna.models.create.progress import CancelledCheck, Meter, ProgressCallback
from puna.models.create.safetensors import Checkpoint

OUTTYPES = ("auto", "f32", "f16", "bf16")
_FILE_TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
}


def convert(directory: Path, out: Path, *, outtype: str, progress: ProgressCallback, cancelled: CancelledCheck) -> None:
    """Write the checkpoint in ``directory`` to ``out`` as GGUF.

    ``outtype`` is the type of the matrices: ``f32``, ``f16``, ``bf16``, or ``auto`` for the checkpoint's own.
    ``out`` appears only when it is complete. Raises :class:`ConvertError` or
    :class:`~puna.models.create.safetensors.SafetensorsError` naming the file and the reason, and
    :class:`~puna.models.create.progress.CreateCancelledError` when ``cancelled`` says so.
    """
    if outtype not in OUTTYPES:
        raise ConvertError(f"unknown output type {outtype!r}; there are {', '.join(OUTTYPES)}")
    config = Config.load(directory)
    family = find_family(config, directory)
    checkpoint = Checkpoint(directory)
    target = _own_type(checkpoint) if outtype == "auto" else outtype.upper()
    tensors = family.plan(checkpoint, target)
    with replacing(out) as partial:
        writer = gguf.GGUFWriter(None, family.arch_name)
        writer.add_type(gguf.GGUFType.MODEL)
        name = _model_name(config)
        if name:
            writer.add_name(name)
        family.write_parameters(writer)
        writer.add_file_type(_FILE_TYPES[target])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        family.write_vocabulary(writer, _embedding_rows(tensors))
        total = sum(tensor.source.nbytes for tensor in tensors if tensor.source is not None)
        with Meter("converting model", total, progress, cancelled) as meter:
            write_gguf(writer, partial, tensors, meter)


def _own_type(checkpoint: Checkpoint) -> str:
    sizes: Counter[str] = Counter()
    for tensor in checkpoint:
        sizes[tensor.dtype] += tensor.elements
    most = sizes.most_common(1)[0][0] if sizes else "F32"
    return most if most in _FILE_TYPES else "F32"


def _model_name(config: Config) -> str | None:
    path = config.text("_name_or_path")
    return path.rstrip("/").rpartition("/")[2][:200] if path else None


def _embedding_rows(tensors: list[PlannedTensor]) -> int:
    return next(tensor.shape[0] for tensor in tensors if tensor.name == "token_embd.weight")
