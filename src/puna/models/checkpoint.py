"""Checkpoints that are kept as they are: weights in safetensors, with configuration and tokenizer beside them.

An engine gets them as a directory. What Puna has to know of a model it reads from the header of a GGUF file; of a
checkpoint ``header_of`` says the same in the same words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from puna.models.checkpoint_names import check_name
from puna.models.gguf import GGUFFile, MetadataValue, TensorInfo
from puna.models.gguf_types import TENSOR_TYPES
from puna.models.links import CHECKPOINTS, make_links
from puna.models.manifests import BadManifestError, Layer
from puna.models.store import BlobStore

_FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}
"""GGUF's numbers for types of weights."""
_HIDDEN = ("hidden_size", "n_embd", "d_model")
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
_HEADS = ("num_attention_heads", "n_head")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


def laid_out(layers: Sequence[Layer], blobs: BlobStore, digest: str) -> Path:
    """Return a directory of links to a checkpoint's files under their names.

    ``digest`` is that of the model, in hex. Raises ``BadManifestError``, ``BlobNotFoundError`` or ``StorageError``.
    """
    directory = blobs.directory.parent / CHECKPOINTS / digest
    make_links(directory, {check_name(layer.name): blobs.path(layer.digest) for layer in layers})
    return directory


def header_of(directory: Path) -> GGUFFile:
    """Return what the files of a checkpoint say, in the words of a GGUF header.

    Raises ``BadManifestError`` for what is no checkpoint, or says what cannot be true.
    """
    # Here, because they bring NumPy, and few servers have a checkpoint.
    from puna.models.create.convert.config import Config, read_json
    from puna.models.create.convert.errors import ConvertError
    from puna.models.create.safetensors import Checkpoint, SafetensorsError

    try:
        config = Config.load(directory)
        tokenizer = read_json(directory / "tokenizer_config.json") or {}
        tensors = {tensor.name: tensor for tensor in Checkpoint(directory)}
        metadata = _metadata(config)
    except (ConvertError, SafetensorsError) as error:
        raise BadManifestError(f"the checkpoint cannot be read: {error}") from error
    if template := _template(directory, tokenizer):
        metadata["tokenizer.chat_template"] = template
    sizes: dict[str, int] = {}
    for tensor in tensors.values():
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.elements
    kind = max(sizes, key=lambda name: sizes[name], default="")
    if kind in _FILE_TYPES:
        metadata["general.file_type"] = _FILE_TYPES[kind]
    weights = sum(tensor.nbytes for tensor in tensors.values())
    return GGUFFile(
        path=directory,
        version=0,
        metadata=metadata,
        spans={},
        tensors=_tensors(config.whole_or_none("vocab_size") or 0, sum(sizes.values())),
        alignment=0,
        data_offset=0,
        file_size=weights,
    )


def _metadata(config: Any) -> dict[str, MetadataValue]:
    name = config.text("model_type") or "unknown"
    found: dict[str, MetadataValue] = {"general.architecture": name}
    numbers: Mapping[str, int | None] = {
        f"{name}.context_length": config.whole_or_none(*_CONTEXT),
        f"{name}.embedding_length": config.whole_or_none(*_HIDDEN),
        f"{name}.block_count": config.whole_or_none(*_LAYERS),
        f"{name}.attention.head_count": config.whole_or_none(*_HEADS),
        f"{name}.attention.head_count_kv": config.whole_or_none("num_key_value_heads"),
        f"{name}.attention.key_length": config.whole_or_none("head_dim"),
        f"{name}.attention.value_length": config.whole_or_none("head_dim"),
        "tokenizer.ggml.bos_token_id": config.whole_or_none("bos_token_id"),
    }
    return found | {key: number for key, number in numbers.items() if number is not None}


def _template(directory: Path, tokenizer: Mapping[str, Any]) -> str:
    """Return the checkpoint's chat template, "" if it has none."""
    path = directory / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    template = tokenizer.get("chat_template")
    return template if isinstance(template, str) else ""


def _tensors(vocabulary: int, weights: int) -> tuple[TensorInfo, ...]:
    """Return as many weights as there are, in the tensors that are looked for."""
    kind = next(kind for kind in TENSOR_TYPES.values() if kind.name == "F16")
    embedding = TensorInfo("token_embd.weight", (1, vocabulary), kind, 0, 0)
    return (embedding, TensorInfo("weights", (max(weights - vocabulary, 0),), kind, 0, 0))
