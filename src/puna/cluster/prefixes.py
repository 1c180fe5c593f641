"""What each node has read lately: which beginnings of prompts it has in its caches, by hashes of their pieces.

A piece is hashed together with all before it, so that one number stands for a whole beginning and a table of numbers is
a tree of them. The table is bounded; what was used longest ago goes.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import NamedTuple

from puna.inference.requests import Completion, Conversation, GenerationRequest, Infill

_PIECE = 1024
"""Characters of a piece: a message is cut up at these lengths."""
_MOST_PIECES = 512
_HASH_BYTES = 8


class Step(NamedTuple):
    """One piece further: what stands for the beginning up to here, and how many characters that has."""

    hash: int
    chars: int


Beginning = tuple[Step, ...]
"""A prompt, piece by piece."""


def beginning_of(request: GenerationRequest) -> Beginning:
    """Return a prompt's pieces. Two prompts of one model with the same text from the start have the same first pieces.

    Pictures and sounds count as their digests do; a prompt that was left to go on from (``context``) as its tokens.
    """
    steps: list[Step] = []
    state, chars = request.model.digest.encode(), 0
    for text in _texts(request):
        for at in range(0, len(text), _PIECE):
            piece = text[at : at + _PIECE]
            state = blake2b(state + piece.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
            chars += len(piece)
            steps.append(Step(int.from_bytes(state), chars))
            if len(steps) == _MOST_PIECES:
                return tuple(steps)
    return tuple(steps)


def _texts(request: GenerationRequest) -> Iterator[str]:
    if request.context:
        yield repr(request.context)
    match request.input:
        case Conversation(messages=messages, tools=tools):
            if tools:
                yield json.dumps(tools, sort_keys=True)
            for message in messages:
                yield f"{message.role}\0{_digests(message.images)}{message.content}"
        case Completion(prompt=prompt, images=images):
            yield _digests(images)
            yield prompt if isinstance(prompt, str) else repr(prompt)
        case Infill(prefix=prefix, suffix=suffix):
            yield prefix
            yield suffix


def _digests(images: Iterable[bytes]) -> str:
    return "".join(blake2b(image, digest_size=_HASH_BYTES).hexdigest() for image in images)


class Prefixes:
    """The beginnings that nodes have read, ``limit`` pieces of all nodes together at most."""

    def __init__(self, limit: int = 200_000) -> None:
        self._limit = limit
        self._size = 0
        self._nodes: OrderedDict[int, set[str]] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def read(self, node: str, beginning: Beginning) -> None:
        """Note that a node reads a prompt."""
        for step in reversed(beginning):  # so that the end of a long one goes before its beginning does
            nodes = self._nodes.setdefault(step.hash, set())
            self._nodes.move_to_end(step.hash)
            if node not in nodes:
                nodes.add(node)
                self._size += 1
        while self._size > self._limit:
            _, nodes = self._nodes.popitem(last=False)
            self._size -= len(nodes)

    def known(self, beginning: Beginning) -> Mapping[str, int]:
        """Return how many characters of a prompt each node has read; nodes that have read none are left out."""
        found: dict[str, int] = {}
        common: set[str] | None = None
        chars = 0
        for step in beginning:
            nodes = self._nodes.get(step.hash, set())
            still = nodes if common is None else common & nodes
            for node in () if common is None else common - still:
                found[node] = chars
            common, chars = still, step.chars
            if not common:
                return found
        return found | dict.fromkeys(common or (), chars)

    def forget(self, node: str) -> None:
        """Note that nothing of what a node has read is there any more."""
        for step in [step for step, nodes in self._nodes.items() if node in nodes]:
            self._nodes[step].discard(node)
            self._size -= 1
            if not self._nodes[step]:
                del self._nodes[step]
