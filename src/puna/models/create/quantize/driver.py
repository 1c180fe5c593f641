"""Quantises a model file tensor by tensor, on all cores and with little memory."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from puna.models.create.convert.numbers import to_float32
from puna.models.create.convert.output import replacing
from puna.models.create.progress import CancelledCheck, Meter, ProgressCallback
from puna.models.create.quantize.errors import QuantizeError
from puna.models.create.quantize.ggml import quantize_rows
from puna.models.create.quantize.header import OutputTensor, write_header
from puna.models.create.quantize.mixes import TYPES, find_mix
from puna.models.create.quantize.rules import TypeChooser, sort_key
from puna.models.gguf import GGUFFile, read_gguf
from puna.models.gguf_types import TensorInfo, TensorType

PIECE_ELEMENTS = 2**20
COPY_BYTES = 8 * 2**20
_SOURCES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


def quantize(
    sources: Sequence[Path],
    out: Path,
    *,
    mix: str,
    progress: ProgressCallback,
    cancelled: CancelledCheck,
    threads: int | None = None,
) -> None:
    """Write the model in ``sources`` (one file, or all shards of a split one in order) to ``out``.

    ``mix`` is a name of :data:`~puna.models.create.quantize.mixes.MIXES`. The result is what
    ``llama-quantize`` makes of the same file. ``out`` appears only when it is complete. Raises
    :class:`QuantizeError`, :class:`~puna.models.gguf.GGUFError` for a source that lies, and
    :class:`~puna.models.create.progress.CreateCancelledError`.
    """
    target = find_mix(mix)
    models = [read_gguf(path) for path in sources]
    if not models:
        raise QuantizeError("there is no file to quantise")
    _check_shards(models)
    located = [(tensor, model.path) for model in models for tensor in model.tensors]
    located.sort(key=lambda item: sort_key(item[0].name))
    chooser = TypeChooser.for_model(target, models[0], [tensor for tensor, _ in located])
    outputs = [OutputTensor(tensor, path, _chosen(chooser, tensor)) for tensor, path in located]
    workers = threads or _cores()
    total = sum(tensor.nbytes for tensor, _ in located)
    with replacing(out) as partial, Meter("quantizing model", total, progress, cancelled) as meter:
        with partial.open("wb") as file, ThreadPoolExecutor(workers) as pool:
            write_header(file, models[0], outputs, target)
            for output in outputs:
                for data, consumed in _pieces(output, pool, workers):
                    file.write(data)
                    meter.advance(consumed)
                file.write(b"\0" * (-file.tell() % models[0].alignment))
        read_gguf(partial)


def _cores() -> int:
    """The cores that this process may use; not every system can tell them from those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_shards(models: list[GGUFFile]) -> None:
    count = models[0].whole("split.count") or 1
    if count != len(models):
        raise QuantizeError(f"{models[0].path.name} is one of {count} files, {len(models)} were given")
    names: set[str] = set()
    for number, model in enumerate(models):
        if (model.whole("split.no") or 0) != number:
            raise QuantizeError(f"{model.path.name} is not shard {number + 1}")
        twice = next((tensor.name for tensor in model.tensors if tensor.name in names), None)
        if twice is not None:
            raise QuantizeError(f"tensor {twice!r} is in more than one shard")
        names.update(tensor.name for tensor in model.tensors)


def _chosen(chooser: TypeChooser, tensor: TensorInfo) -> TensorType:
    chosen = chooser.choose(tensor)
    if chosen != tensor.type.name and tensor.type.name not in _SOURCES:
        raise QuantizeError(f"tensor {tensor.name!r} is {tensor.type.name}; only F32, F16 and BF16 can be quantised")
    return TYPES[chosen]


def _pieces(output: OutputTensor, pool: ThreadPoolExecutor, workers: int) -> Iterator[tuple[bytes | memoryview, int]]:
    """The tensor's new data in order, and how many bytes of the old data each piece stands for."""
    source = output.source
    if output.type == source.type:
        yield from _copied(output)
        return
    width = source.shape[0]
    rows = source.elements // width
    step = max(1, PIECE_ELEMENTS // width)
    waiting: deque[Future[tuple[memoryview, int]]] = deque()
    try:
        for start in range(0, rows, step):
            waiting.append(pool.submit(_quantized, output, start, min(start + step, rows)))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _copied(output: OutputTensor) -> Iterator[tuple[bytes, int]]:
    with output.path.open("rb") as file:
        file.seek(output.source.offset)
        left = output.source.nbytes
        while left:
            data = _read(file, min(left, COPY_BYTES), output)
            left -= len(data)
            yield data, len(data)


def _read(file: BinaryIO, count: int, output: OutputTensor) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise QuantizeError(f"{output.path.name}: the file ends inside tensor {output.source.name!r}")
    return data


def _quantized(output: OutputTensor, start: int, stop: int) -> tuple[memoryview, int]:
    source = output.source
    width = source.shape[0]
    dtype = _SOURCES[source.type.name]
    with output.path.open("rb") as file:
        file.seek(source.offset + start * width * dtype.itemsize)
        raw = np.frombuffer(_read(file, (stop - start) * width * dtype.itemsize, output), dtype)
    weights = to_float32(raw, source.type.name).reshape(stop - start, width)
    if not np.isfinite(weights).all():
        raise QuantizeError(f"tensor {source.name!r} has weights that are not finite")
    data = quantize_rows(weights, output.type)
    if data is None:
        raise QuantizeError(f"tensor {source.name!r} cannot be expressed as {output.type.name}")
    return data.data, raw.nbytes
