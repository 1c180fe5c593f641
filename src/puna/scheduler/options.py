"""What a request may say about how its model is loaded.

A new option is a field here, with its bounds, and a field of the same name in ``engine/config.py``.
"""

from dataclasses import dataclass, field, fields
from typing import Any

_BOUNDS = "bounds"


def _option(default: Any, *bounds: int) -> Any:
    """Return the field of an option: a whole number within bounds, or without any a boolean."""
    return field(default=default, metadata={_BOUNDS: bounds})


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """The options that a runner is started with; 0 leaves the choice to Puna.

    For ``num_gpu`` and ``draft_num_predict`` that is -1.
    """

    num_ctx: int = _option(0, 0, 2**31 - 1)
    num_batch: int = _option(0, 0, 2**20)
    num_gpu: int = _option(-1, -1, 100_000)
    main_gpu: int = _option(0, 0, 255)
    num_thread: int = _option(0, 0, 512)
    use_mmap: bool = _option(True)
    use_mlock: bool = _option(False)
    numa: bool = _option(False)
    draft_num_predict: int = _option(-1, 0, 256)
    """How many tokens are guessed ahead by what was made to guess for the model; 0 for none."""
    logprobs: bool = False
    """Whether the runner is asked for log probabilities, which the engine has not for tokens that it guessed ahead."""
    embeds: bool = False
    """Whether the runner is asked for vectors of texts, each of which it must then be able to evaluate in one step."""
    generates: bool = True
    """Whether the runner may be asked for answers as well."""
    engine: str = ""
    """The engine that a request is repeated on (portable, a build, or a path); "" for the one that is chosen."""


BOUNDS: dict[str, tuple[int, ...]] = {
    field.name: field.metadata[_BOUNDS] for field in fields(RunnerOptions) if _BOUNDS in field.metadata
}
"""The names that a request has for them, each with the least and the most value; () for a boolean."""
