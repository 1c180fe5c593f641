"""``/api/puna/models/{model}/settings``: the section of a model while the server runs; files are left as they are."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from puna.accounts.grant import ADMIN
from puna.api.access.scopes import needs
from puna.api.http.body import Body, json_body, request_body
from puna.api.http.responses import json_response
from puna.api.services import Services, ServicesDep
from puna.config.sections import PLAIN, Section, changed, check_aliases, words
from puna.engine.engines import Engines
from puna.errors import BadRequestError
from puna.inference.sections import check_options
from puna.models.model import Model
from puna.outside import listed

router = APIRouter()


class SectionBody(Body):
    """What is to change; see ``Section``. ``reset`` has the names of settings, or ``options.NAME``, to be as usual."""

    options: dict[str, Any] | None = None
    keep_alive: float | str | None = None
    keep_alive_min: float | str | None = None
    keep_alive_max: float | str | None = None
    engine: str | None = None
    aliases: list[str] | None = None
    pinned: bool | None = None
    preload: bool | None = None
    nodes: list[str] | None = None
    reset: list[str] | None = None


@router.get("/api/puna/models/{model:path}/settings", tags=["models"])
@needs(ADMIN)
async def settings_route(model: str, services: ServicesDep) -> Response:
    """Tell what holds for a model now."""
    found = await asyncio.to_thread(services.model, model)
    return _answer(found, services.settings.sections.of(found.name))


@router.patch("/api/puna/models/{model:path}/settings", tags=["models"], openapi_extra=request_body(SectionBody))
@needs(ADMIN)
async def change_settings_route(
    model: str, body: Annotated[SectionBody, Depends(json_body(SectionBody))], services: ServicesDep
) -> Response:
    """Change what holds for a model, from now on and until the server ends."""
    found = await asyncio.to_thread(services.model, model)
    if body.unknown:
        raise BadRequestError(f"a model has no such setting: {listed(body.unknown)}")
    section = _reset(services.settings.sections.of(found.name), body.reset or ())
    section = changed(section, body.model_dump(exclude={"reset"}, exclude_none=True))
    await asyncio.to_thread(_check, services, found, section)
    services.settings.sections.models[found.name.key] = found.name, section
    await services.service.settle(found)
    return _answer(found, section)


def _answer(model: Model, section: Section) -> Response:
    return json_response({"model": str(model.name), **words(section)})


def _reset(section: Section, names: Iterable[str]) -> Section:
    for name in names:
        table, dot, option = name.partition(".")
        if dot and table == "options":
            section = replace(section, options={key: section.options[key] for key in section.options if key != option})
        elif name in words(PLAIN):
            usual: dict[str, Any] = {name: getattr(PLAIN, name)}
            section = replace(section, **usual)
        else:
            raise BadRequestError(f"reset: a model has no such setting: {listed([name])}")
    return section


def _check(services: Services, model: Model, section: Section) -> None:
    """Raise ``BadRequestError`` for what cannot be used, and ``UnknownEngineError``. For a thread."""
    if section.keep_alive_min > section.keep_alive_max:
        raise BadRequestError("keep_alive_min is more than keep_alive_max")
    check_options(section)
    check_aliases(services.settings.sections, model.name, section.aliases)
    for alias in section.aliases:
        if services.library.has(alias):
            raise BadRequestError(f"there is a model of the name {alias}")
    if section.engine != services.settings.sections.of(model.name).engine and section.engine:
        if "/" in section.engine:  # whoever may change settings from afar must not choose what program runs here
            raise BadRequestError("the path of an engine can be given in a file of settings alone")
        Engines(services.settings.home).resolve(section.engine)
