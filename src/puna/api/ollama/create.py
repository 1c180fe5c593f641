"""The route that makes models."""

import contextlib
import functools
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import CREATE, PULL
from puna.api.access.scopes import needs
from puna.api.http.body import json_body, request_body
from puna.api.ollama.progress import Batches, batches_response, run_in_thread
from puna.api.ollama.schemas import CreateBody, MessageBody
from puna.api.ollama.transfers import is_remote
from puna.api.ollama.translate import message_of
from puna.api.services import Services, ServicesDep
from puna.config.near import hint
from puna.engine.load_check import check_load
from puna.errors import BadRequestError, ModelNotFoundError, NotFoundError, PunaError
from puna.inference.families.voice import parse_template, unheeded
from puna.inference.options import OPTION_NAMES, Options
from puna.inference.prompt.rendering import beside_the_loop
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.store import InvalidDigestError, parse_digest
from puna.names import parse_name

router = APIRouter()


@router.post("/api/create", tags=["models"], openapi_extra=request_body(CreateBody))
@needs(CREATE)
async def create_route(
    request: Request, body: Annotated[CreateBody, Depends(json_body(CreateBody))], services: ServicesDep
) -> Response:
    """Make a model from another one, which is pulled if it is not here, or from uploaded files."""
    if not body.reference:
        raise BadRequestError("model is required")
    name, recipe = parse_name(body.reference), await beside_the_loop(lambda: recipe_of(body))
    services.require(body.reference)
    making = functools.partial(create, services.library, name, recipe, load_check=check_load, remarks=unheeded)
    work = run_in_thread(making)
    if recipe.base and not services.sees(recipe.base):
        raise ModelNotFoundError(body.from_)
    if recipe.base and not _is_here(services, body.from_):
        services.require(body.from_, PULL)
        work = _pulled_first(services, body.from_, work, guarded=is_remote(request))
    return await batches_response(request, work, stream=body.stream)


def recipe_of(body: CreateBody) -> Recipe:
    """Return what a request asks for; raise ``BadRequestError`` for what no model can be made of."""
    if body.template:
        parse_template(body.template)
    unknown = Options.merge(body.parameters).unknown
    if unknown:
        near = hint(unknown[0], OPTION_NAMES) if len(unknown) == 1 else ""
        raise BadRequestError(f"unknown parameter: {', '.join(unknown)}{near}")
    blob = _blob_of(body.from_)
    files = _digests(body.files) | ({blob.replace(":", "-"): blob} if blob else {})
    return Recipe(
        base=parse_name(body.from_) if body.from_ and not blob else None,
        files=files,
        adapters=_digests(body.adapters),
        drafts=_digests(body.draft_files),
        quantize=body.quantize or body.quantization,
        keep=body.keep,
        template=body.template,
        system=body.system,
        licenses=(body.license,) if isinstance(body.license, str) else tuple(body.license),
        parameters=body.parameters,
        messages=tuple(_checked(message) for message in body.messages),
        requires=body.requires,
        renderer=body.renderer,
        parser=body.parser,
    )


def _checked(message: MessageBody) -> dict[str, Any]:
    """Return a message as the model keeps it; raise ``BadRequestError`` for one that a later chat would refuse."""
    role = message_of(message).role
    return {"role": role, "content": message.content} | message.model_dump(exclude_defaults=True, exclude={"role"})


def _digests(files: dict[str, str]) -> dict[str, str]:
    return {name: parse_digest(digest) for name, digest in files.items()}


def _blob_of(source: str) -> str:
    """Return the digest that "from" means: ``@sha256:…``, or the path of a blob as Modelfiles of ``show`` have it."""
    text = source.removeprefix("@").replace("\\", "/")
    if not source.startswith("@") and "/" not in text:
        return ""
    try:
        return parse_digest(text.rpartition("/")[2])
    except InvalidDigestError:
        return ""


def _is_here(services: Services, reference: str) -> bool:
    try:
        services.library.get(reference)
    except ModelNotFoundError:
        return False
    return True


async def _pulled_first(services: Services, base: str, work: Batches, *, guarded: bool) -> Batches:
    """Yield the progress of pulling ``base``, then of ``work``; raise ``NotFoundError`` with the reason."""
    async with contextlib.aclosing(work):
        try:
            async with contextlib.aclosing(services.transfers.puller.pull(base, guarded=guarded)) as events:
                async for progress in events:
                    if progress.status != "success":
                        yield [progress.to_json()]
        except PunaError as error:
            raise NotFoundError(f"model '{parse_name(base)}' not found, and it cannot be pulled: {error}") from error
        async for batch in work:
            yield batch
