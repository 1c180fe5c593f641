"""The second writer of bodies: what llama-server would be asked, in the words of vLLM's OpenAI server.

A field that vLLM has no word for is refused by name if it asks for something, and left out if it says what vLLM does
anyway.
"""

import re
from collections.abc import Mapping
from typing import Any

from puna.engine.errors import EngineRequestError
from puna.engine.vllm.program import SERVED

_ESCAPE = re.compile(r"\\(?:\\|x(?P<short>[0-9A-Fa-f]{2})|U(?P<long>[0-9A-Fa-f]{8}))")
_SAME = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repetition_penalty",
    "ignore_eos": "ignore_eos",
}
"""llama-server's names and vLLM's for what both have."""
_ALONE = ["temperature"]
"""The only choice of samplers that vLLM can be told: by leaving the others out."""
_OTHERS = frozenset(["top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty"])
_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "typical_p": (1, 1.0),
    "mirostat": (0,),
    "dynatemp_range": (0, 0.0),
    "xtc_probability": (0, 0.0),
    "dry_multiplier": (0, 0.0),
    "top_n_sigma": (-1, -1.0),
    "min_keep": (0,),
    "lora": ([],),
    "samplers": (_ALONE,),
}
"""Options that vLLM lacks, each with the values that mean that it is not used."""
_OURS = frozenset(
    [
        *("prompt", "n_predict", "n_keep", "stream", "cache_prompt", "timings_per_token", "return_progress", "id_slot"),
        *("preserved_tokens", "n_probs", "post_sampling_probs", "grammar", "logit_bias", "ignore_eos"),
        *("repeat_last_n", "dry_penalty_last_n", "penalize_nl"),
        *("mirostat_tau", "mirostat_eta", "dynatemp_exponent", "xtc_threshold", "dry_base", "dry_allowed_length"),
        *("dry_sequence_breakers", "adaptive_decay"),
    ]
)
"""What is said in another way, or only matters beside an option that is refused."""


class LackingError(EngineRequestError):
    """vLLM has no such option."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the engine vllm does not have the option {name!r}")
        self.param = name


def completion(body: Mapping[str, Any], context: int) -> dict[str, Any]:
    """Return the body of ``/v1/completions`` for one of llama-server's ``/completion``, with ``context`` tokens in all.

    Raises ``LackingError`` for what vLLM cannot do.
    """
    prompt = body["prompt"]
    if isinstance(prompt, dict):
        raise LackingError("images")
    if body.get("post_sampling_probs"):
        raise LackingError("decisions")
    asked: dict[str, Any] = {
        "model": SERVED,
        "prompt": prompt,
        "max_tokens": max(min(int(body.get("n_predict", context)), context - len(prompt)), 1),
        # Marks of thoughts and calls are control tokens, which are looked for in the text.
        "skip_special_tokens": not body.get("preserved_tokens"),
        "spaces_between_special_tokens": False,
        "add_special_tokens": False,
    }
    if body.get("stream"):
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    left_out = _OTHERS if body.get("samplers") == _ALONE else frozenset()
    for name, value in body.items():
        if name in left_out:
            continue
        if name in _SAME:
            asked[_SAME[name]] = _number(name, value)
        elif name not in _OURS and not _is_harmless(name, value):
            raise LackingError(name)
    if body.get("n_probs"):
        asked["logprobs"] = int(body["n_probs"])
    if bias := body.get("logit_bias"):
        asked["logit_bias"] = _bias(bias)
    if grammar := body.get("grammar"):
        asked["structured_outputs"] = {"grammar": _as_written(grammar)}
    return asked


def _as_written(grammar: str) -> str:
    """Return a grammar with escapes as xgrammar reads them: it takes all hexadecimal digits behind ``\\x``."""
    return _ESCAPE.sub(_escaped, grammar)


def _escaped(match: re.Match[str]) -> str:
    if match["short"]:
        return f"\\u00{match['short']}"
    return chr(int(match["long"], 16)) if match["long"] else match[0]


def _number(name: str, value: Any) -> Any:
    if name == "top_k" and value <= 0:
        return -1
    return None if name == "seed" and value < 0 else value


def _is_harmless(name: str, value: Any) -> bool:
    return value in _HARMLESS.get(name, ())


def _bias(given: Any) -> dict[str, float]:
    """Return biases by token; llama-server takes pairs too, of a token or a text, and ``false`` for never."""
    pairs = given.items() if isinstance(given, dict) else given
    found = {}
    for token, bias in pairs:
        if not str(token).isdigit():
            raise LackingError("logit_bias of a text")
        found[str(token)] = -100.0 if bias is False else float(bias)
    return found


def template(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of ``/tokenize`` for messages that the model's own template is to render."""
    asked = {name: body[name] for name in ("messages", "tools", "chat_template_kwargs") if body.get(name)}
    messages = [_message(message) for message in asked.get("messages", ())]
    begun = bool(messages) and messages[-1]["role"] == "assistant"
    return {
        **asked,
        "model": SERVED,
        "messages": messages,
        "add_generation_prompt": not begun,
        "continue_final_message": begun,
    }


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(message["content"], str) and any(part["type"] != "text" for part in message["content"]):
        raise LackingError("images")
    return dict(message)
