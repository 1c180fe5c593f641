"""What a runner is started with, in terms that every engine provider understands."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from puna.models.loadable import ModelFiles

STOP = "stop"
"""The line that tells a runner to end."""
LOADING = "early.sock"
"""Where a portable runner listens that nobody is to ask yet, in the directory of its socket: no longer a name than that
socket's, for the path of one has a bound."""


def _passed(default: Any, flag: str, attribute: str) -> Any:
    """Return a field that goes to the engines as it is: to llama-server as ``flag``, to xllamacpp as ``attribute``."""
    return field(default=default, metadata={"flag": flag, "attribute": attribute})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    """One model in one process. Two requests whose configurations differ need different processes.

    ``context`` is in tokens and per slot; ``parallel`` is the number of slots; ``batch`` is the number of prompt
    tokens that the engine takes at a time, ``micro_batch`` the number that it evaluates in one step; see ``step``.
    """

    model_path: str
    engine: str = ""
    """The path of the llama-server to run; "" for the portable engine."""
    context: int
    parallel: int = 1
    batch: int = 512
    micro_batch: int = 0
    adapter_paths: tuple[str, ...] = ()
    projector_path: str = ""
    chat_template: str = ""
    """A Jinja template in the place of the file's own; "" for that."""
    kv_type: str = "f16"
    flash_attention: bool | None = None
    threads: int = 0
    threads_batch: int = 0
    """Threads for reading prompts; 0: as many as for generating."""
    gpu_layers: int = -1
    """Layers on the graphics cards; -1: all."""
    fit: bool = False
    """Whether the engine finds out itself how many layers the cards hold, instead of putting all there."""
    main_gpu: int = _passed(0, "--main-gpu", "main_gpu")
    use_mmap: bool = True
    use_mlock: bool = False
    numa: bool = False
    image_min_tokens: int = _passed(0, "--image-min-tokens", "image_min_tokens")
    """The fewest tokens that a picture becomes; 0: as the projector says."""
    repack: bool | None = None
    """Whether weights are copied into the order that the processor's widest instructions want, which may cost as much
    as it gains; ``None``: as the engine was the faster when it was built."""
    prompt_cache: int = 0
    """MiB of memory for prompts that have left their slot; 0 switches that off."""
    slot_directory: str = ""
    """Where slots may be saved to and restored from; "" forbids it."""
    pooling: str = ""
    """How token vectors become one: "mean" where the model does not say, "" for the model's own way."""
    embedding: bool = True
    """Whether the process can embed text, besides generating it."""
    speculation: str = ""
    """llama.cpp's name of a way to guess tokens ahead, such as "ngram-simple" or "draft-simple"; "" for none."""
    draft_path: str = ""
    """The smaller model that guesses, where ``speculation`` needs one."""
    draft_tokens: int = 0
    """How many tokens are guessed at a time, at most; 0: the engine's choice."""
    cache_bytes: int = 0
    """What the caches of all slots take, for engines that reserve it at once."""
    draft_match: int = 0
    """How many tokens must be as they were before for "ngram" speculation to guess; 0: the engine's choice."""

    @property
    def step(self) -> int:
        """Return how many tokens are evaluated in one step. A text to embed must fit into one."""
        return min(self.micro_batch, self.batch) if self.micro_batch and not self.embedding else self.batch

    @property
    def unified(self) -> bool:
        """Return whether all slots share one cache, of which each has its part.

        A step then works over what all of them hold, so that is for texts to embed alone: with a cache per slot the
        engine evaluates sequences of different lengths in pieces, and the vector of a text is that of its last piece.
        """
        return self.embedding

    def passed(self, key: str) -> Iterator[tuple[str, Any]]:
        """Yield what goes to an engine as it is and is not its default, under its "flag" or its "attribute"."""
        for one in fields(self):
            if key in one.metadata and getattr(self, one.name) != one.default:
                yield one.metadata[key], getattr(self, one.name)

    @property
    def files(self) -> ModelFiles:
        """Return the files that are loaded together."""
        projector = Path(self.projector_path) if self.projector_path else None
        return ModelFiles(Path(self.model_path), tuple(map(Path, self.adapter_paths)), projector)

    def to_json(self) -> str:
        """Return the configuration as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the configuration that ``to_json`` wrote."""
        values = json.loads(text)
        values["adapter_paths"] = tuple(values["adapter_paths"])
        return cls(**values)
