"""Whether a runner attends with flash attention, and in how small steps it reads prompts without it.

On a processor llama.cpp's flash attention is made for many tokens at once. For fewer than 64, as the next turn of a
conversation has, it takes several times as long as the plain way, the more so the longer the conversation is. An engine
that Puna has built has one for any number (``engine/build/attention.cpp``), which is the faster way.
"""

from puna.scheduler.tuned import Tuned
from puna.settings import Settings

PLAIN_KV_TYPES = ("f16", "f32", "bf16")
"""Formats of the cache that do without flash attention."""
SCORED_STEP = 256
"""Tokens of a step without it, at most: memory is reserved for their scores against the whole cache."""
STEP = 512
"""Tokens of a step with it on a processor, at most: more of them take memory and bring nothing."""


def flash_attention(
    settings: Settings, tuned: Tuned, *, kv_type: str, for_many: bool, whole_steps: bool
) -> bool | None:
    """Return whether to use it; ``None`` leaves that to the engine, which then does wherever it can.

    ``for_many`` says that the engine's is made for many tokens alone. A runner that takes ``whole_steps`` would need
    much memory for the scores of one.
    """
    if settings.flash_attention is not None:
        return settings.flash_attention
    if tuned.flash_attention is not None:
        return tuned.flash_attention
    return False if for_many and not whole_steps and kv_type in PLAIN_KV_TYPES else None
