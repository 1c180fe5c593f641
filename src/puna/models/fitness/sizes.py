"""The sizes that tensors have by what the keys say: numbers by the names that the tables of architectures use.

Where a key that a size follows from is missing, the engine takes it as 0, which no tensor has; so that key stands in
the place of the number. ``None`` stands for a size of which nothing is said here.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from puna.models.fitness.vocabulary import has_tokens
from puna.models.gguf import GGUFArray, GGUFFile

Size = int | str | None
Sizes = Mapping[str, Size]
_HEADS, _GROUPS, _INNER = "attention.head_count", "attention.head_count_kv", "feed_forward_length"


class Measures:
    """The sizes of the tensors of one model, by block.

    ``varies`` are keys of which each block has its own number, where the file has a list of them. Nothing is said of
    what follows from another list whose numbers differ.
    """

    def __init__(self, gguf: GGUFFile, varies: Collection[str] = ()) -> None:
        self._gguf = gguf
        self._prefix = f"{gguf.architecture}."
        self._varies = varies
        self._constant = self._of_model()
        self._slides = self._list("attention.sliding_window_pattern")
        self._heads, self._groups, self._inner = (self._per_block(name) for name in (_HEADS, _GROUPS, _INNER))
        if f"{self._prefix}{_GROUPS}" not in gguf.metadata:
            self._groups = self._heads
        self._known: dict[tuple[Size, ...], Sizes] = {}

    @property
    def of_model(self) -> Sizes:
        """Return the sizes that do not depend on a block, with those of the first for what does."""
        return self.of(0)

    def of(self, block: int) -> Sizes:
        """Return the sizes in a block."""
        heads, groups, inner = (_at(values, block) for values in (self._heads, self._groups, self._inner))
        slides = self.slides(block)
        key = (heads, groups, inner, slides)
        if key not in self._known:
            self._known[key] = self._constant | self._of_block(heads, groups, inner, slides=slides)
        return self._known[key]

    def groups(self, block: int) -> int:
        """Return how many heads of keys a block has."""
        return _at(self._groups, block) or 0

    def inner(self, block: int) -> int:
        """Return the inner width of a block, 0 if it has no such part."""
        return _at(self._inner, block) or 0

    def slides(self, block: int) -> bool:
        """Return whether a block sees a window of the text alone, as a list in the file says."""
        return bool(_at(self._slides, block))

    def has(self, name: str) -> bool:
        """Return whether a key of the architecture is there."""
        return self._prefix + name in self._gguf.metadata

    def whole(self, name: str) -> int | None:
        """Return the value of a key of the architecture if it is a whole number."""
        return self._gguf.whole(self._prefix + name)

    def _list(self, name: str) -> tuple[int, ...]:
        value = self._gguf.metadata.get(self._prefix + name)
        return tuple(item for item in value if isinstance(item, int)) if isinstance(value, tuple) else ()

    def _per_block(self, name: str) -> tuple[int | None, ...]:
        """Return a number for each block; none where the file has none, or more than one and they must be alike."""
        blocks = self._gguf.block_count or 0
        if (number := self.whole(name)) is not None:
            return (number,) * blocks
        values = self._list(name)
        return values if name in self._varies or len(set(values)) <= 1 else (None,) * blocks

    def _missing(self, value: int | None, name: str) -> Size:
        """Return the key in the place of a value if that is missing."""
        return value if value is not None or self.has(name) else self._prefix + name

    def _number(self, name: str) -> Size:
        return self._missing(self.whole(name), name)

    def _one(self, name: str) -> int | None:
        """Return a number that may be a list in the file, if all of that are the same."""
        values = set(self._list(name))
        return values.pop() if len(values) == 1 else self.whole(name)

    def _of_model(self) -> dict[str, Size]:
        gguf, whole = self._gguf, self.whole
        width, blocks = gguf.embedding_length or 0, (gguf.block_count or 0) - (whole("nextn_predict_layers") or 0)
        tokens = gguf.metadata.get("tokenizer.ggml.tokens")
        labels = gguf.metadata.get(f"{self._prefix}classifier.output_labels")
        per_layer = self._number("embedding_length_per_layer_input")
        return {
            "width": width,
            "width_3": 3 * width,
            "rows": len(tokens) if isinstance(tokens, tuple | GGUFArray) and has_tokens(gguf) else None,
            "context": gguf.context_length,
            "labels": len(labels) if isinstance(labels, tuple | GGUFArray) and len(labels) else 1,
            "types": gguf.whole("tokenizer.ggml.token_type_count"),
            "out": whole("embedding_length_out") or width,
            "dense_2": self._number("dense_2_feat_out"),
            "dense_3": self._number("dense_3_feat_in"),
            "experts": whole("expert_count") or f"{self._prefix}expert_count",
            "shared": whole("expert_shared_feed_forward_length") or None,
            "latent": whole("moe_latent_size") or width,
            "cached": self._number("shortconv.l_cache"),
            "per_layer": per_layer,
            "per_layers": _times(per_layer, blocks),
            "half": _halved(whole("rope.dimension_count")),
            **self._of_states(),
        }

    def _of_states(self) -> dict[str, Size]:
        """Return the sizes of linear attention and of Mamba (``qwen3next.cpp``, ``nemotron-h.cpp``)."""
        names = ("conv_kernel", "inner_size", "state_size", "time_step_rank", "group_count")
        kernel, inner, state, rank, groups = (self._number(f"ssm.{name}") for name in names)
        keys, values = _times(state, groups), _times(state, rank)
        return {
            "kernel": kernel,
            "rank": rank,
            "rank_2": _times(rank, 2),
            "state": state,
            "groups_of_states": groups,
            "values": values,
            "mixed": _plus(keys, keys, values),
            "mixed_gated": _plus(keys, keys, values, values),
            "states": inner,
            "states_of_group": inner // groups
            if isinstance(inner, int) and isinstance(groups, int) and groups
            else None,
            "states_mixed": _plus(inner, keys, keys),
            "states_in": _plus(inner, inner, keys, keys, rank),
        }

    def _of_block(
        self, head_count: int | None, group_count: int | None, inner: int | None, *, slides: bool
    ) -> dict[str, Size]:
        heads, groups = self._missing(head_count, _HEADS), self._missing(group_count, _HEADS)
        swa = "_swa" if slides and _HEADS in self._varies else ""
        key, value = (self._of_head(name, swa) for name in ("attention.key_length", "attention.value_length"))
        if key != value or (_HEADS not in self._varies and self.has("attention.key_length_swa")):
            key = value = None  # architectures differ in which of the two they take
        rotated = self.whole("rope.dimension_count") or key
        expert = self._of_expert(inner)
        q, k, v = _times(heads, key), _times(groups, key), _times(groups, value)
        width = self._constant["width"]
        return {
            "heads": heads,
            "head": key,
            "q": q,
            "q_2": _times(q, 2),
            "k": k,
            "v": v,
            "qkv": _plus(q, k, v),
            "q_2kv": _plus(q, q, k, v),
            "width_kv": _plus(width, k, v),
            "q_rotated": _times(heads, rotated),
            "k_rotated": _times(groups, rotated),
            "qkv_rotated": _plus(*(_times(number, rotated) for number in (heads, groups, groups))),
            "half_head": _halved(rotated),
            "half_full": _halved(self._of_head("attention.key_length", "")),
            "inner": self._missing(inner, _INNER),
            "expert": expert,
            "expert_2": _times(expert, 2),
            "expert_shared": _times(expert, self.whole("expert_shared_count")),
            **self._of_latent(heads),
        }

    def _of_head(self, name: str, swa: str) -> int | None:
        heads = _at(self._heads, 0)
        of_width = (self._gguf.embedding_length or 0) // heads if heads else None
        full = self.whole(name)
        full = of_width if full is None else full
        sliding = self.whole(name + swa) if swa else None
        return full if sliding is None else sliding

    def _of_expert(self, inner: int | None) -> Size:
        """Return the inner width of an expert: what the file says, or their part of that of all that are used."""
        name = "expert_feed_forward_length"
        if self.has(name) and (stated := self._one(name)) != 0:
            return stated
        used = self._one("expert_used_count")
        return inner // used if inner and used else None

    def _of_latent(self, heads: Size) -> dict[str, Size]:
        """Return the sizes of attention with compressed keys and values (``deepseek2.cpp``)."""
        q_rank, kv_rank = self._number("attention.q_lora_rank"), self._number("attention.kv_lora_rank")
        mla = tuple(self.whole(f"attention.{name}_length_mla") for name in ("key", "value"))
        key, value = (
            stated if all(mla) else self._of_head(f"attention.{name}_length", "")
            for stated, name in zip(mla, ("key", "value"), strict=True)
        )
        full = self._of_head("attention.key_length", "")
        rotated = self.whole("rope.dimension_count")
        rotated = full if rotated is None else rotated
        plain = key - rotated if key is not None and rotated is not None else None
        return {
            "q_rank": q_rank,
            "kv_rank": kv_rank,
            "kv_rank_rotated": _plus(kv_rank, rotated),
            "head_plain": plain,
            "head_value": value,
            "q_latent": _times(heads, key),
            "v_latent": _times(heads, value),
            "kv_latent": _times(heads, _plus(plain, value)),
        }


def _at(values: Sequence[int | None], block: int) -> int | None:
    return values[block] if block < len(values) else None


def _over(size: Size, parts: Size) -> Size:
    return size // parts if isinstance(size, int) and isinstance(parts, int) and parts else None


def _halved(size: Size) -> Size:
    return size // 2 if isinstance(size, int) else size


def _times(*sizes: Size) -> Size:
    return _joined(sizes, lambda one, other: one * other)


def _plus(*sizes: Size) -> Size:
    return _joined(sizes, lambda one, other: one + other)


def _joined(sizes: tuple[Size, ...], join: Callable[[int, int], int]) -> Size:
    """Return a size of several, the first key that is missing for one of them, or ``None``."""
    missing = next((size for size in sizes if isinstance(size, str)), None)
    if missing is not None:
        return missing
    result: int | None = None
    for size in sizes:
        if not isinstance(size, int):
            return None
        result = size if result is None else join(result, size)
    return result
