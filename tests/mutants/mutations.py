"""What is done to a GGUF file so that it is not what it says any more: one function for each kind of lie."""

import contextlib
import random
import struct
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.mutants.parts import ARRAY, CODES, STRING, WHOLE, Entry, Parts, Tensor, put_together, take_apart

Mutation = Callable[[random.Random, Parts], None]
ODD_NUMBERS = (0, 1, 2, 3, 5, 7, 31, 63, 100, 255, 4096, 65536, 2**20, 2**24, 2**31 - 1, 2**31, 2**32 - 1, -1, -7)
ODD_FLOATS = (0.0, -1.0, 1.0, 1e-30, 1e30, float("nan"), float("inf"), -0.0, 0.5)
ODD_TEXTS = (
    b"",
    b"x",
    b"\xff\xfe",
    b"llama",
    b"gpt2",
    b"bert",
    b"t5",
    b"rwkv",
    b"none",
    b"a" * 5000,
    b"\0",
    "é".encode(),
)
ARCHITECTURES = (
    b"llama",
    b"qwen2",
    b"qwen3",
    b"gemma3",
    b"bert",
    b"mamba",
    b"falcon",
    b"phi3",
    b"gpt2",
    b"t5",
    b"clip",
    b"no",
)
TOKENIZER = b"tokenizer.ggml."
TOKENS, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.merges"


class NothingToChangeError(Exception):
    """The file has nothing of the kind that a mutation changes."""


def pick(rng: random.Random, items: list[Any]) -> Any:
    """Return one of the items; raise ``NothingToChangeError`` if there are none."""
    if not items:
        raise NothingToChangeError
    return items[rng.randrange(len(items))]


def hyperparameters(parts: Parts) -> list[Entry]:
    """Return the entries that say how large the model is, and how it computes."""
    return [entry for entry in parts.entries if not entry.key.startswith((b"tokenizer.", b"general."))]


def arrays(parts: Parts) -> list[Entry]:
    """Return the arrays of the tokenizer."""
    return [entry for entry in parts.entries if entry.kind == ARRAY and entry.key.startswith(TOKENIZER)]


def counts(rng: random.Random, parts: Parts) -> None:
    """State other numbers of keys or tensors than there are."""
    right = rng.choice((len(parts.entries), len(parts.tensors)))
    wrong = rng.choice((0, right - 1, right + 1, 2**31, 2**40, 2**63, 2**64 - 1))
    if rng.random() < 0.5:
        parts.key_count = wrong
    else:
        parts.tensor_count = wrong


def missing_key(rng: random.Random, parts: Parts) -> None:
    """Leave out a key."""
    parts.entries.remove(pick(rng, parts.entries))


def doubled_key(rng: random.Random, parts: Parts) -> None:
    """Have a key twice."""
    parts.entries.insert(rng.randrange(len(parts.entries)), deepcopy(pick(rng, parts.entries)))


def renamed_key(rng: random.Random, parts: Parts) -> None:
    """Give a key another name."""
    entry = pick(rng, parts.entries)
    entry.key = rng.choice((entry.key + b"x", entry.key[:-1], b"", b"\xff", entry.key.upper(), b"general.name"))


def number(rng: random.Random, parts: Parts) -> None:
    """Give a number of the model's another value."""
    entry = pick(rng, [entry for entry in hyperparameters(parts) if entry.kind not in (STRING, ARRAY)])
    if entry.kind in (6, 12):
        entry.value = rng.choice(ODD_FLOATS)
    elif entry.kind == 7:
        entry.value = not entry.value
    else:
        near = (entry.value + 1, entry.value - 1, entry.value * 2, entry.value // 2)
        entry.value = rng.choice((*ODD_NUMBERS, *near))


def key_type(rng: random.Random, parts: Parts) -> None:
    """Give a value another type."""
    entry = pick(rng, [entry for entry in parts.entries if entry.kind != ARRAY])
    entry.kind = rng.choice([kind for kind in (*CODES, STRING, ARRAY, 13, 99) if kind != entry.kind])
    if entry.kind == STRING:
        entry.value = str(entry.value).encode()
    elif isinstance(entry.value, bytes | float) and entry.kind in WHOLE:
        entry.value = rng.choice(ODD_NUMBERS)
    elif entry.kind == ARRAY:
        entry.element, entry.value = rng.choice((0, 4, 5, 6, STRING)), [1, 2, 3]


def array_of_number(rng: random.Random, parts: Parts) -> None:
    """Make an array of a number of the model's, one for each block, or too many, or too few."""
    entry = pick(rng, [entry for entry in hyperparameters(parts) if entry.kind in WHOLE])
    length = rng.choice((0, 1, 2, 3, 8, 512, 513, 5000))
    entry.kind, entry.element, entry.value = ARRAY, rng.choice((4, 5, entry.kind)), [entry.value] * length


def text(rng: random.Random, parts: Parts) -> None:
    """Give a text another value."""
    pick(rng, [entry for entry in parts.entries if entry.kind == STRING]).value = rng.choice(ODD_TEXTS)


def architecture(rng: random.Random, parts: Parts) -> None:
    """Say that the model is of another architecture, with its keys renamed for that or not."""
    entry = parts.entry("general.architecture")
    if entry:
        old, entry.value = entry.value, rng.choice(ARCHITECTURES)
        if rng.random() < 0.5:
            for other in parts.entries:
                if other.key.startswith(old + b"."):
                    other.key = entry.value + other.key[len(old) :]


def array_length(rng: random.Random, parts: Parts) -> None:
    """Shorten or lengthen an array of the tokenizer."""
    entry = pick(rng, arrays(parts))
    length = rng.choice((0, 1, len(entry.value) - 1, len(entry.value) // 2, len(entry.value) + 1, len(entry.value) * 2))
    entry.value = (entry.value * 2 + entry.value[:1])[:length]


def array_type(rng: random.Random, parts: Parts) -> None:
    """Give the elements of an array of the tokenizer another type."""
    entry = pick(rng, arrays(parts))
    kind = rng.choice([kind for kind in (*CODES, STRING) if kind != entry.element])
    if entry.element == STRING:
        entry.value = [len(item) for item in entry.value]
    elif kind in WHOLE:
        entry.value = [0 if isinstance(item, bytes) or item != item else item for item in entry.value]
    entry.element = kind


def array_values(rng: random.Random, parts: Parts) -> None:
    """Change some elements of an array of the tokenizer."""
    entry = pick(rng, arrays(parts))
    for _ in range(rng.choice((1, 3, 50))):
        at = rng.randrange(len(entry.value)) if entry.value else 0
        if not entry.value:
            return
        odd: tuple[Any, ...] = ODD_TEXTS if entry.element == STRING else ODD_NUMBERS
        entry.value[at] = rng.choice(ODD_FLOATS) if entry.element in (6, 12) else rng.choice(odd)


def doubled_tokens(rng: random.Random, parts: Parts) -> None:
    """Have a token, or many of them, more than once."""
    entry = parts.entry(TOKENS)
    if entry and len(entry.value) > 2:
        for _ in range(rng.choice((1, 1, 5, 100))):
            entry.value[rng.randrange(len(entry.value))] = pick(rng, entry.value)


def missing_bytes(rng: random.Random, parts: Parts) -> None:
    """Take the tokens away of which everything else is made: single bytes and letters."""
    entry = parts.entry(TOKENS)
    if entry:
        short = [at for at, token in enumerate(entry.value) if len(token) <= 2 or token.startswith(b"<0x")]
        for at in rng.sample(short, min(len(short), rng.choice((1, 10, 300)))):
            entry.value[at] = f"[{at}]".encode()


def merges(rng: random.Random, parts: Parts) -> None:
    """Break merges: of three parts or one, of tokens that there are not, of nothing."""
    entry = parts.entry(MERGES)
    if entry is None or not entry.value:
        array_values(rng, parts)
        return
    for _ in range(rng.choice((1, 10, 100))):
        entry.value[rng.randrange(len(entry.value))] = rng.choice(
            (b"", b" ", b"a", b"a b c", b"zz qq", b" b", b"\xff \xfe")
        )


def special_id(rng: random.Random, parts: Parts) -> None:
    """Let a special token be one that there is not."""
    name = rng.choice(("bos", "eos", "unknown", "padding", "eot", "fim_pre", "fim_suf", "seperator", "mask", "cls"))
    count = len(getattr(parts.entry(TOKENS), "value", ()))
    value = rng.choice((count, count - 1, count + 1, 2**31 - 1, 2**31, 2**32 - 1, -1, 0))
    parts.put(f"tokenizer.ggml.{name}_token_id", rng.choice((4, 4, 5, 11)), value)


def missing_tensor(rng: random.Random, parts: Parts) -> None:
    """Leave out a tensor, or some."""
    for _ in range(rng.choice((1, 1, 1, 3))):
        if len(parts.tensors) > 1:
            parts.tensors.remove(pick(rng, parts.tensors))


def renamed_tensor(rng: random.Random, parts: Parts) -> None:
    """Give a tensor another name, maybe that of another."""
    tensor = pick(rng, parts.tensors)
    names = (
        b"",
        b"x",
        tensor.name + b"x",
        b"n" * 64,
        b"\xff\xff",
        pick(rng, parts.tensors).name,
        b"blk.99.attn_q.weight",
    )
    tensor.name = rng.choice(names)


def extra_tensor(rng: random.Random, parts: Parts) -> None:
    """Have a tensor that nobody asks for."""
    name = rng.choice(
        (b"extra.weight", b"blk.0.attn_q.bias", b"output.weight", b"rope_freqs.weight", b"blk.7.ffn_up.weight")
    )
    parts.tensors.insert(rng.randrange(len(parts.tensors)), Tensor(name, [8], 0, bytes(32)))


def exchanged_tensors(rng: random.Random, parts: Parts) -> None:
    """Exchange the names of two tensors."""
    one, other = pick(rng, parts.tensors), pick(rng, parts.tensors)
    one.name, other.name = other.name, one.name


def shape(rng: random.Random, parts: Parts) -> None:
    """Give a tensor another shape, with the bytes for it or without."""
    tensor = pick(rng, parts.tensors)
    at = rng.randrange(max(1, len(tensor.shape)))
    way = rng.randrange(6)
    if way == 0:
        tensor.shape = tensor.shape[::-1]
    elif way == 1:
        tensor.shape[at] = rng.choice((0, 1, tensor.shape[at] + 1, tensor.shape[at] * 2, 2**31, 2**63))
    elif way == 2:
        tensor.shape = [*tensor.shape, 1, 1, 1][: rng.randint(1, 5)]
    elif way == 3:
        tensor.shape = []
    elif way == 4 and tensor.shape[-1] % 2 == 0:
        tensor.shape[-1] //= 2
        tensor.data = tensor.data[: len(tensor.data) // 2]
    else:
        tensor.shape[-1] *= 2
        tensor.data *= 2


def tensor_type(rng: random.Random, parts: Parts) -> None:
    """Give a tensor another type, with as many bytes as before or as the type needs, as far as that is simple."""
    tensor = pick(rng, parts.tensors)
    old, tensor.kind = tensor.kind, rng.choice((0, 1, 2, 8, 12, 14, 24, 26, 28, 30, 4, 31, 36, 43, 99, 2**31))
    elements = 1
    for size in tensor.shape:
        elements *= size
    sizes = {0: 4, 1: 2, 24: 1, 26: 4, 28: 8, 30: 2}
    if rng.random() < 0.7 and old != tensor.kind and tensor.kind in sizes:
        tensor.data = bytes(elements * sizes[tensor.kind])


def offset(rng: random.Random, parts: Parts) -> None:
    """Let a tensor begin elsewhere: unaligned, in another, behind the end, after a gap."""
    tensor = pick(rng, parts.tensors)
    where = 0
    for other in parts.tensors:
        if other is tensor:
            break
        where += -(-len(other.data) // parts.alignment) * parts.alignment
    step = parts.alignment
    tensor.offset = rng.choice((0, where + 1, where + step, abs(where - step), where + 2**31, 2**63, 2**64 - step))


def gap(rng: random.Random, parts: Parts) -> None:
    """Leave bytes between tensors that belong to none."""
    tensor = pick(rng, parts.tensors)
    tensor.data += bytes(rng.choice((32, 64, 4096)))
    where = 0
    for other in parts.tensors:
        other.offset = where
        where += -(-len(other.data) // parts.alignment) * parts.alignment


def order_of_tensors(rng: random.Random, parts: Parts) -> None:
    """Describe the tensors in another order than they lie in."""
    where = 0
    for tensor in parts.tensors:
        tensor.offset = where
        where += -(-len(tensor.data) // parts.alignment) * parts.alignment
    body = [tensor.data for tensor in parts.tensors]
    rng.shuffle(parts.tensors)
    for tensor, data in zip(parts.tensors, body, strict=True):
        tensor.data = data


def alignment(rng: random.Random, parts: Parts) -> None:
    """State an alignment, kept to or not."""
    value = rng.choice((0, 1, 2, 4, 8, 16, 24, 48, 64, 128, 4096, 2**20, 2**31))
    parts.put("general.alignment", rng.choice((4, 4, 4, 10, 5)), value)
    if value and rng.random() < 0.5 and value <= 4096:
        parts.alignment = value


def version(rng: random.Random, parts: Parts) -> None:
    """State another version, byte order or beginning."""
    way = rng.randrange(3)
    if way == 0:
        parts.version = rng.choice((0, 1, 2, 4, 2**24, 2**31))
    elif way == 1:
        parts.order = ">"
    else:
        parts.magic = rng.choice((b"GGUf", b"FUGG", b"GGML", b"\0\0\0\0"))


def tail(rng: random.Random, parts: Parts) -> None:
    """Have bytes behind the data."""
    parts.tail = bytes(rng.choice((1, 31, 32, 4096)))


def no_vocabulary(rng: random.Random, parts: Parts) -> None:
    """Leave out all of the tokenizer, or all but a part of it."""
    kept = rng.choice((b"", b"tokens", b"model", b"token_type"))
    parts.entries = [
        entry
        for entry in parts.entries
        if not entry.key.startswith(TOKENIZER) or (kept and entry.key == TOKENIZER + kept)
    ]


MUTATIONS: tuple[Mutation, ...] = (
    counts,
    missing_key,
    doubled_key,
    renamed_key,
    number,
    number,
    key_type,
    array_of_number,
    text,
    architecture,
    array_length,
    array_type,
    array_values,
    doubled_tokens,
    missing_bytes,
    merges,
    special_id,
    missing_tensor,
    renamed_tensor,
    extra_tensor,
    exchanged_tensors,
    shape,
    tensor_type,
    offset,
    gap,
    order_of_tensors,
    alignment,
    version,
    tail,
    no_vocabulary,
)


def raw_bytes(rng: random.Random, data: bytes) -> bytes:
    """Cut a file, or change some of its bytes, mostly near its beginning."""
    changed = bytearray(data)
    if rng.random() < 0.3:
        return bytes(changed[: rng.choice((rng.randrange(len(data)), len(data) - 1, len(data) // 2, 24, 4, 0))])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(min(len(data), rng.choice((64, 600, 4000, len(data)))) - 8)
        changed[at : at + 8] = rng.choice((bytes([rng.randrange(256)]) * 8, struct.pack("<Q", rng.getrandbits(64))))
    return bytes(changed)


def mutant(seed: int, data: bytes) -> tuple[str, bytes]:
    """Return what was done to the file ``data``, and what it is now. The same seed does the same."""
    rng = random.Random(seed)
    names = []
    parts = take_apart(data)
    for _ in range(rng.choice((1, 1, 1, 2))):
        if rng.random() < 0.05:
            return " ".join([*names, "raw_bytes"]), raw_bytes(rng, put_together(parts))
        mutation = MUTATIONS[rng.randrange(len(MUTATIONS))]
        with contextlib.suppress(NothingToChangeError):
            mutation(rng, parts)
            names.append(mutation.__name__)
    return " ".join(names), put_together(parts)
