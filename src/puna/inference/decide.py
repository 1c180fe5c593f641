"""Questions with a fixed set of answers, answered with probabilities: those of the first token, and no text.

All questions of a request go over one prompt: the engine keeps what it has read of it, and reads each question only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from puna.engine.errors import EngineError
from puna.engine.protocol import Engine
from puna.inference.format.constraint import Constraint
from puna.inference.generate import check
from puna.inference.labels import Labels, labels_for
from puna.inference.media.placing import joined
from puna.inference.media.ready import ready
from puna.inference.options import Options
from puna.inference.prepare import prepare
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Conversation, GenerationRequest, Message
from puna.models.model import Model
from puna.scheduler.lease import Caller, Lease
from puna.scheduler.lender import Lender

_BOUND = Constraint('root ::= "A"')
"""Makes the prompt that of an answer which is bound from its first token, as these are."""
_ABOVE_ALL = 100.0
"""Added to the logits of all labels alike: no other token keeps a share, and their own shares stay."""
_NEUTRAL = "N/A"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about the input: texts and pictures in order, and the answers with what each means ("": itself)."""

    parts: tuple[str | bytes, ...]
    answers: tuple[str, ...]
    meanings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideRequest:
    """Questions about messages.

    ``calibrate`` divides by what the model answers without any input, which takes away what it likes to say anyway.
    """

    model: Model
    name: str
    messages: tuple[Message, ...]
    questions: tuple[Question, ...]
    options: Options
    calibrate: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """The probabilities of each question's answers, which add up to 1, and the tokens that were read for them.

    ``load_duration`` is in nanoseconds, waiting included; ``loading`` is the part of it that a load took.
    """

    probabilities: tuple[tuple[float, ...], ...]
    prompt_tokens: int
    cached_tokens: int
    load_duration: int
    loading: int = 0


async def decide(
    scheduler: Lender, request: DecideRequest, keep_alive: float | None = None, caller: Caller | None = None
) -> Decided:
    """Return how likely each answer is; raise a ``PunaError`` for what the model or its context cannot do."""

    async def work(lease: Lease) -> Decided:
        found = []
        read = cached = 0
        known: dict[tuple[str, ...], Labels] = {}  # most questions have the same answers: yes and no
        for question in request.questions:
            if question.answers not in known:
                known[question.answers] = await labels_for(lease.client, question.answers)
            labels = known[question.answers]
            shares, counts = await _weighed(request, question, labels, request.messages, lease)
            read, cached = read + counts[0], cached + counts[1]
            if request.calibrate:
                before, _ = await _weighed(request, question, labels, _without_input(request.messages), lease)
                shares = _normal([share / max(own, 1e-6) for share, own in zip(shares, before, strict=True)])
            found.append(tuple(shares))
        return Decided(tuple(found), read, cached, lease.load_duration, lease.loading)

    return await scheduler.run(request.model, request.options.runner, work, keep_alive=keep_alive, caller=caller)


async def _weighed(
    request: DecideRequest, question: Question, labels: Labels, messages: Sequence[Message], lease: Lease
) -> tuple[list[float], tuple[int, int]]:
    """Return the share of each label, and how many tokens the prompt had and how many of them were known."""
    asked = GenerationRequest(
        model=request.model,
        name=request.name,
        input=Conversation(messages=_asked(messages, question, labels)),
        options=replace(request.options, sampling={"temperature": 1.0, "samplers": ["temperature"]}, stop=()),
        think=False,
        truncate=False,
        shift=False,
        format=_BOUND,
    )
    asked = await ready(await beside_the_loop(lambda: check(asked)))
    prepared = await prepare(asked, lease.client, lease.context)
    return await _shares(lease.client, prepared.body, labels)


async def _shares(client: Engine, prepared: Mapping[str, Any], labels: Labels) -> tuple[list[float], tuple[int, int]]:
    tokens = [token for found in labels.tokens for token in found]
    body = {name: value for name, value in prepared.items() if name != "grammar"} | {
        "stream": False,
        "n_predict": 1,
        "n_probs": len(tokens),
        "post_sampling_probs": True,
        "logit_bias": [[token, _ABOVE_ALL] for token in tokens],
        "seed": 0,
    }
    answer = await client.complete(body)
    try:
        (said,) = answer["completion_probabilities"]
        likely = {int(entry["id"]): float(entry["prob"]) for entry in said["top_probs"]}
        timings = answer["timings"]
    except (KeyError, ValueError, TypeError) as error:
        raise EngineError("the engine did not tell its probabilities") from error
    shares = [math.fsum(likely.get(token, 0.0) for token in found) for found in labels.tokens]
    known = int(timings.get("cache_n", 0))
    return _normal(shares), (known + int(timings.get("prompt_n", 0)), known)


def _normal(shares: Sequence[float]) -> list[float]:
    whole = math.fsum(shares)
    return [share / whole for share in shares] if whole > 0 else [1 / len(shares)] * len(shares)


def _asked(messages: Sequence[Message], question: Question, labels: Labels) -> tuple[Message, ...]:
    """Return the messages with the question at the end of the user's last; many templates take no second in a row."""
    lines = _lines(question, labels)
    *before, last = messages or [Message(role="user")]
    if last.role != "user":
        content, images, places = joined([*question.parts, lines])
        return (*messages, Message(role="user", content=content, images=images, places=places))
    content, images, places = joined(["\n", *question.parts, lines])
    at = len(last.content)
    own = last.places or (0,) * len(last.images)
    return (
        *before,
        replace(
            last,
            content=last.content + content,
            images=(*last.images, *images),
            places=(*own, *(at + place for place in places)) if own or places else (),
        ),
    )


def _lines(question: Question, labels: Labels) -> str:
    meanings = question.meanings or ("",) * len(question.answers)
    lines = []
    if labels.coded or any(meanings):
        for said, answer, meaning in zip(labels.said, question.answers, meanings, strict=True):
            named = f"{said}: {answer}" if labels.coded else said
            lines.append(f"{named} - {meaning}" if meaning else named)
    lines.append(f"Answer with one of these only: {', '.join(labels.said)}")
    return "\n".join(lines)


def _without_input(messages: Sequence[Message]) -> tuple[Message, ...]:
    return (*(message for message in messages if message.role == "system"), Message(role="user", content=_NEUTRAL))
