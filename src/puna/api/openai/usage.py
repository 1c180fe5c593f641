"""What an answer cost, and the other fields that all answers of the dialect have."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from puna.inference.events import Finished, Logprob, TokenLogprob
from puna.models.model import Model


class Head:
    """The fields that every object of one answer begins with."""

    def __init__(self, prefix: str, request_id: str, model: Model, name: str, kind: str) -> None:
        """``kind`` is what the dialect calls the object; the fingerprint is the model's digest."""
        self._fields = {
            "id": f"{prefix}-{request_id}",
            "object": kind,
            "created": int(time.time()),
            "model": name,
            "system_fingerprint": f"fp_{model.digest.removeprefix('sha256:')[:12]}",
        }

    @property
    def id(self) -> str:
        """Return the answer's id."""
        return str(self._fields["id"])

    def object(self, choices: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Return an object with these choices."""
        return {**self._fields, "choices": choices, **more}


def usage_of(ends: Iterable[Finished], per_prompt: int = 1, *, predicted: bool = False) -> dict[str, Any]:
    """Return the tokens that choices took; ``per_prompt`` of them in their order share a prompt, which counts once.

    What was guessed ahead is told where it was taken out of a prediction (``predicted``).
    """
    ends = sorted(ends, key=lambda end: end.choice)
    firsts = ends[::per_prompt]
    prompt = sum(end.prompt_tokens for end in firsts)
    answer = sum(end.generated_tokens for end in ends)
    guessing = ends if predicted else []
    # A stop string may end an answer amid what was right.
    right = sum(min(end.accepted_tokens, end.generated_tokens) for end in guessing)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": sum(end.cached_tokens for end in firsts)},
        "completion_tokens_details": {
            "accepted_prediction_tokens": right,
            "audio_tokens": 0,
            "reasoning_tokens": sum(end.thinking_tokens for end in ends),
            "rejected_prediction_tokens": sum(end.drafted_tokens for end in guessing) - right,
        },
    }


def logprobs_body(logprobs: Iterable[Logprob], top: int) -> dict[str, Any]:
    """Return log probabilities as chats have them, with ``top`` alternatives for each token."""
    return {
        "content": [_token(item.chosen) | {"top_logprobs": [_token(o) for o in item.top[:top]]} for item in logprobs],
        "refusal": None,
    }


def _token(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": list(token.bytes)}
