"""How a runner of one model is started best on this machine: values that `puna tune` finds by measuring."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from puna.errors import PunaError

KV_TYPES = ("f16", "q8_0")
"""The number formats of the cache that are compared."""
SPECULATIONS = ("ngram-simple", "draft-simple", "draft-mtp", "draft-dflash", "draft-eagle3")
"""The ways of guessing ahead that are compared. llama.cpp has more, but its "ngram-map" ones abort the process when a
context is shifted, and "ngram-mod" shares what it has seen, so that one client's text would show in another's speed.
"""
_OWN_LAYERS = "draft-mtp"
"""The way that needs no draft model where the model has layers for it."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_THREADS = 4096
_MOST_TOKENS = 1 << 16


class BadTuningError(PunaError):
    """A file is not what ``TuningStore`` writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """How a runner is started best. 0, "" and ``None`` leave the choice to Puna.

    ``draft`` is the digest of the file of a smaller model that guesses ahead; ``draft_tokens`` and ``draft_match`` are
    those of ``RunnerConfig``.
    """

    threads: int = 0
    threads_batch: int = 0
    micro_batch: int = 0
    flash_attention: bool | None = None
    kv_type: str = ""
    speculation: str = ""
    draft: str = ""
    draft_tokens: int = 0
    draft_match: int = 0

    @classmethod
    def parse(cls, values: Any) -> Self:
        """Return what ``dataclasses.asdict`` made; raise ``BadTuningError`` for anything else."""
        if not isinstance(values, dict) or set(values) != {field.name for field in dataclasses.fields(cls)}:
            raise BadTuningError("it has other values than it should")
        for name, value in values.items():
            if not _CHECKS[name](value):
                raise BadTuningError(f"{name} cannot be {value!r}")
        tuned = cls(**values)
        drafts = tuned.speculation.startswith("draft-")
        if bool(tuned.draft) != drafts and tuned.speculation != _OWN_LAYERS:
            raise BadTuningError("a draft model and its use belong together")
        if tuned.flash_attention is False and tuned.kv_type not in ("", "f16"):
            raise BadTuningError(f"a cache in {tuned.kv_type} needs flash attention")
        return tuned

    def __str__(self) -> str:
        parts = {
            "threads": self.threads and f"{self.threads}/{self.threads_batch or self.threads}",
            "micro batch": self.micro_batch,
            "flash attention": {None: "", True: "on", False: "off"}[self.flash_attention],
            "cache": self.kv_type,
            "speculation": self.guessing,
        }
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value) or "the defaults"

    def plain(self) -> Self:
        """Return the same without any guessing ahead."""
        return dataclasses.replace(self, speculation="", draft="", draft_tokens=0, draft_match=0)

    @property
    def guessing(self) -> str:
        """Return how tokens are guessed ahead, in words; "" for not at all."""
        if not self.speculation:
            return ""
        match = f" after {self.draft_match}" if self.draft_match else ""
        return f"{self.speculation} ({self.draft_tokens}{match})"


UNTUNED = Tuned()
"""What stands for a model that nobody has measured."""


def _whole(most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 0 <= value <= most


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "threads": _whole(_MOST_THREADS),
    "threads_batch": _whole(_MOST_THREADS),
    "micro_batch": _whole(_MOST_TOKENS),
    "flash_attention": lambda value: value is None or isinstance(value, bool),
    "kv_type": lambda value: value in ("", *KV_TYPES),
    "speculation": lambda value: value in ("", *SPECULATIONS),
    "draft": lambda value: value == "" or (isinstance(value, str) and _DIGEST.fullmatch(value) is not None),
    "draft_tokens": _whole(_MOST_TOKENS),
    "draft_match": _whole(_MOST_TOKENS),
}
