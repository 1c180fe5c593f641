"""Why a prompt had to be read again: whether a conversation's last one was a beginning of this one, and if not, where.

What is kept of a prompt are digests, of a few prompts of each conversation, since programs ask for titles and summaries
in between. The reasons are those of Anthropic's cache diagnostics, and ``thinking_dropped``.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass, replace
from hashlib import blake2b

import orjson

from puna.inference.requests import Conversation, Message
from puna.models.model import Model

_log = logging.getLogger(__name__)
_PER_CONVERSATION = 4
_MOST_PROMPTS = 1024
_MOST_BYTES = 8 << 20
_DIGEST_BYTES = 8
_END_OF_PROMPT = 32
"""Tokens at the end of a prompt that announce an answer: as a turn of the past it may begin otherwise."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a prompt was made of, as digests; ``thoughts`` has an empty one for a message without."""

    model: str
    system: bytes
    tools: bytes
    messages: tuple[bytes, ...]
    thoughts: tuple[bytes, ...]
    tokens: int = 0

    @classmethod
    def of(cls, model: Model, conversation: Conversation) -> "Fingerprint":
        """Return the fingerprint of a conversation."""
        messages = conversation.messages
        system = messages[:1] if messages and messages[0].role == "system" else ()
        rest = messages[len(system) :]
        return cls(
            model.digest,
            b"".join(_said(message) for message in system),
            _digest(orjson.dumps(conversation.tools)),
            tuple(_said(message) for message in rest),
            tuple(_digest(message.thinking.encode()) if message.thinking else b"" for message in rest),
        )

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        return 500 + 2 * (_DIGEST_BYTES + 33) * len(self.messages)

    def change(self, later: "Fingerprint") -> str:
        """Return why this prompt is no beginning of a later one, "" if it is one."""
        if self.model != later.model:
            return "model_changed"
        if self.system != later.system:
            return "system_changed"
        if self.tools != later.tools:
            return "tools_changed"
        count = len(self.messages)
        if self.messages != later.messages[:count]:
            return "messages_changed"
        kept = zip(self.thoughts, later.thoughts, strict=False)
        changed = {now for before, now in kept if before != now}
        return ("thinking_dropped" if changed == {b""} else "messages_changed") if changed else ""


@dataclass(frozen=True, slots=True)
class Reread:
    """Tokens that were read again although an earlier prompt had them; ``reason`` says why."""

    reason: str
    tokens: int


class Prefixes:
    """The prompts of the latest conversations, bounded in number and bytes."""

    def __init__(self) -> None:
        self._conversations: OrderedDict[str, tuple[Fingerprint, ...]] = OrderedDict()
        self._answers: OrderedDict[str, Fingerprint] = OrderedDict()
        self._size = 0

    def compare(self, key: str, prompt: Fingerprint, answer: str = "") -> "Comparison":
        """Return a prompt beside the one that ``answer`` answered, else the nearest of the conversation ``key``."""
        earlier = self._answers.get(answer) if answer else _nearest(self._conversations.get(key, ()), prompt)
        return Comparison(self, key, prompt, earlier)

    def keep(self, key: str, answer: str, prompt: Fingerprint) -> None:
        """Keep a prompt for its conversation, in place of one that it goes on from, and for its answer's id."""
        known = self._conversations.pop(key, ())
        gone_on = _nearest(known, prompt)
        others = tuple(one for one in known if one is not gone_on or one.change(prompt))
        self._conversations[key] = (*others, prompt)[-_PER_CONVERSATION:]
        if not key:
            del self._conversations[key]
        self._answers[answer] = prompt
        self._size += prompt.size
        while len(self._answers) > _MOST_PROMPTS or (self._size > _MOST_BYTES and len(self._answers) > 1):
            self._size -= self._answers.popitem(last=False)[1].size
        while len(self._conversations) > len(self._answers):
            self._conversations.popitem(last=False)


class Comparison:
    """A prompt beside ``earlier``, one of its conversation; ``None`` where none is known."""

    def __init__(self, prefixes: Prefixes, key: str, prompt: Fingerprint, earlier: Fingerprint | None) -> None:
        self.earlier = earlier
        self._prefixes, self._key, self._prompt = prefixes, key, prompt

    def begin(self, answer: str, prompt_tokens: int, cached_tokens: int) -> Reread | None:
        """Remember the prompt for the answer of the id ``answer``; return what was read again, by the engine's counts.

        ``None`` if that is nothing, or nobody's change.
        """
        self._prefixes.keep(self._key, answer, replace(self._prompt, tokens=prompt_tokens))
        reread = self._reread(prompt_tokens, cached_tokens)
        if reread:
            _log.info("%d tokens of a conversation are read again: %s (%s)", reread.tokens, reread.reason, answer)
        return reread

    def _reread(self, prompt_tokens: int, cached_tokens: int) -> Reread | None:
        if self.earlier is None:
            return None
        missed = min(self.earlier.tokens, prompt_tokens) - cached_tokens
        reason = self.earlier.change(self._prompt)
        if not reason and any(self.earlier.thoughts) and missed > _END_OF_PROMPT:
            reason = "thinking_dropped"  # by the template, which forgets those of earlier turns
        return Reread(reason, missed) if reason and missed > 0 else None


def _nearest(known: tuple[Fingerprint, ...], prompt: Fingerprint) -> Fingerprint | None:
    """Return the longest of ``known`` that ``prompt`` goes on from, else the last."""
    beginnings = [one for one in known if not one.change(prompt)]
    return max(beginnings, key=lambda one: one.tokens) if beginnings else known[-1] if known else None


def _said(message: Message) -> bytes:
    """Return the digest of a message without its thoughts."""
    calls = [(call.name, call.arguments, call.raw) for call in message.tool_calls]
    text = [message.role, message.content, message.tool_name, message.places, calls]
    digest = blake2b(orjson.dumps(text), digest_size=_DIGEST_BYTES)
    for image in message.images:
        digest.update(blake2b(image, digest_size=_DIGEST_BYTES).digest())
    return digest.digest()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()
