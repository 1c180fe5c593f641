"""Reads vLLM's streams, and tells of them as llama-server would."""

import time
from collections.abc import Mapping
from typing import Any

_MILLISECONDS = 1000


class Answer:
    """One answer of ``/v1/completions``, event by event; times are measured here, for vLLM does not tell them."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first = 0.0
        self._tokens = 0
        self._reason = ""

    def read(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the events of ``/completion`` that one of vLLM's means; the last has ``stop`` and the counts."""
        found: list[dict[str, Any]] = []
        for choice in event.get("choices", ()):
            text, logprobs = choice.get("text") or "", choice.get("logprobs")
            if text or logprobs:
                self._first = self._first or time.monotonic()
                self._tokens += len(logprobs["tokens"]) if logprobs else 1
                said: dict[str, Any] = {"content": text, "stop": False, "timings": self._timings({})}
                if logprobs:
                    said["completion_probabilities"] = _probabilities(logprobs)
                found.append(said)
            self._reason = choice.get("finish_reason") or self._reason
        if usage := event.get("usage"):
            kind = "limit" if self._reason == "length" else "eos"
            found.append({"content": "", "stop": True, "stop_type": kind, "timings": self._timings(usage)})
        return found

    def _timings(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        now = time.monotonic()
        first = self._first or now
        cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        return {
            "cache_n": cached,
            "prompt_n": max(0, int(usage.get("prompt_tokens", 0)) - cached),
            "prompt_ms": (first - self._began) * _MILLISECONDS,
            "predicted_n": int(usage.get("completion_tokens", self._tokens)),
            "predicted_ms": (now - first) * _MILLISECONDS,
        }


def _probabilities(logprobs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what ``/completion`` tells of the tokens of a piece."""
    tops = logprobs.get("top_logprobs") or [{}] * len(logprobs["tokens"])
    return [
        {
            "token": token,
            "logprob": number if number is not None else 0.0,
            "top_logprobs": [{"token": other, "logprob": value} for other, value in (top or {}).items()],
        }
        for token, number, top in zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=True)
    ]
