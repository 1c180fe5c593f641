"""What a request may say about how its model is loaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """The options that a runner is started with; 0 leaves the choice to Puna.

    For ``num_gpu`` and ``draft_num_predict`` that is -1.
    """

    num_ctx: int = 0
    num_batch: int = 0
    num_gpu: int = -1
    main_gpu: int = 0
    num_thread: int = 0
    use_mmap: bool = True
    use_mlock: bool = False
    numa: bool = False
    draft_num_predict: int = -1
    """How many tokens are guessed ahead by what was made to guess for the model; 0 for none."""
    logprobs: bool = False
    """Whether the runner is asked for log probabilities, which the engine has not for tokens that it guessed ahead."""
    embeds: bool = False
    """Whether the runner is asked for vectors of texts, each of which it must then be able to evaluate in one step."""
