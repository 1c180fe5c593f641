"""The answers to several prompts, or the best of several to one, as one stream of choices."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from puna.api.extras import whole_number
from puna.api.openai.schemas import CompletionBody
from puna.api.openai.to_request import MOST_CHOICES
from puna.errors import BadRequestError
from puna.inference.answer import Answer
from puna.inference.choices import one_of, several
from puna.inference.events import Event
from puna.inference.options import Options
from puna.inference.requests import Completion, GenerationRequest, Infill
from puna.models.model import Model
from puna.scheduler.lease import Caller
from puna.service import Service

_MOST_LOGPROBS = 20
Prompt = str | tuple[int, ...]


def prompts_of(body: CompletionBody) -> list[Prompt]:
    """Return the prompts of a body: texts, or tokens."""
    given = body.prompt
    if given is None:
        raise BadRequestError("prompt is required", param="prompt")
    if isinstance(given, str):
        return [given]
    if not given:
        raise BadRequestError("prompt must not be empty", param="prompt")
    if isinstance(given[0], int):
        return [tuple(token for token in given if isinstance(token, int))]
    return [item if isinstance(item, str) else tuple(item) for item in given if not isinstance(item, int)]


def candidates(body: CompletionBody) -> int:
    """Return how many answers are made for each prompt; raise ``BadRequestError`` for what cannot be."""
    whole_number(body.n, "n", 1, MOST_CHOICES)
    whole_number(body.best_of, "best_of", 1, MOST_CHOICES)
    count = body.n if body.best_of is None else body.best_of
    if count < body.n:
        raise BadRequestError("best_of must be at least n", param="best_of")
    if count > body.n and body.stream:
        raise BadRequestError("best_of greater than n cannot be streamed", param="best_of")
    return count


def completion_request(
    model: Model, body: CompletionBody, options: Options, prompt: Prompt, count: int
) -> GenerationRequest:
    """Return what a body asks for one of its prompts; raise ``BadRequestError`` that names the field."""
    whole_number(body.logprobs, "logprobs", 0, _MOST_LOGPROBS)
    if body.suffix and not isinstance(prompt, str):
        raise BadRequestError("suffix needs a prompt that is text", param="suffix")
    gap = body.suffix and isinstance(prompt, str)
    return GenerationRequest(
        model=model,
        name=body.model,
        input=Infill(prefix=str(prompt), suffix=body.suffix) if gap else Completion(prompt=prompt),
        options=options,
        whole=not body.stream,
        think=False,
        truncate=options.truncate,
        shift=options.shift,
        logprobs=body.logprobs is not None or count > body.n,
        top_logprobs=body.logprobs or 0,
        choices=count,
    )


def answers_to(
    service: Service, requests: Sequence[GenerationRequest], caller: Caller, keep_alive: float | None, dialect: str
) -> AsyncGenerator[list[Event], None]:
    """Yield the events of the answers to all prompts; the choices of one follow those of the one before."""
    if len(requests) == 1:
        return service.generate(requests[0], caller, keep_alive, dialect)
    per_prompt = requests[0].choices

    def one(choice: int) -> AsyncGenerator[list[Event], None]:
        request = one_of(requests[choice // per_prompt], choice % per_prompt)
        own = replace(caller, id=f"{caller.id}.{choice}") if choice else caller
        return service.generate(request, own, keep_alive, dialect)

    return several(len(requests) * per_prompt, one)


def best(answers: Sequence[Answer], count: int) -> list[Answer]:
    """Return the ``count`` likeliest of the answers to one prompt, by log probability per token, likeliest first."""
    return sorted(answers, key=_likelihood, reverse=True)[:count] if count < len(answers) else list(answers)


def _likelihood(answer: Answer) -> float:
    known = [item.chosen.logprob for item in answer.logprobs]
    return sum(known) / len(known) if known else float("-inf")
