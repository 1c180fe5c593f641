"""``/api/puna/modelfile``: what a Modelfile asks ``/api/create`` for, for clients without a parser of their own."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from puna.accounts.grant import CREATE
from puna.api.access.scopes import needs
from puna.api.http.body import Body, json_body, request_body
from puna.api.http.responses import json_response
from puna.errors import BadRequestError, PunaError
from puna.inference.families.voice import parse_template
from puna.inference.parameters import check_parameter
from puna.models.modelfile.parse import Command, Modelfile, ModelfileError, parse_modelfile
from puna.names import parse_name

router = APIRouter()
_TEXT_FIELDS = ("TEMPLATE", "SYSTEM", "RENDERER", "PARSER", "REQUIRES")
_FILES = ("ADAPTER", "DRAFT")


class ModelfileBody(Body):
    """The body of ``/api/puna/modelfile``."""

    modelfile: str = ""


@router.post("/api/puna/modelfile", tags=["models"], openapi_extra=request_body(ModelfileBody))
@needs(CREATE)
async def modelfile_route(body: Annotated[ModelfileBody, Depends(json_body(ModelfileBody))]) -> Response:
    """Return the fields of ``/api/create`` that a Modelfile stands for; an error names its line."""
    return json_response(create_fields(parse_modelfile(body.modelfile)))


def create_fields(modelfile: Modelfile) -> dict[str, Any]:
    """Return what ``/api/create`` is asked for; raise ``ModelfileError``, with the line, for what it would refuse.

    Files are named by their digests alone (``@sha256:…``): a path would be one of the client's.
    """
    for command in modelfile.commands:
        try:
            _check(command)
        except PunaError as error:
            raise ModelfileError(command.line, f"{command.name}: {error}") from error
    fields: dict[str, Any] = {"from": modelfile.last("FROM")}
    fields |= {name.lower(): modelfile.last(name) for name in _TEXT_FIELDS if modelfile.values(name)}
    lists = {
        "license": list(modelfile.values("LICENSE")),
        "parameters": modelfile.parameters,
        "messages": list(modelfile.messages),
    }
    return fields | {name: value for name, value in lists.items() if value}


def _check(command: Command) -> None:
    """Raise ``PunaError`` for a command that no model can be made of, or that only the command line can carry out."""
    if command.name in _FILES:
        raise BadRequestError("files are taken by `puna create` alone")
    if command.name == "FROM" and not command.value.startswith("@"):
        parse_name(command.value)
    elif command.name == "TEMPLATE":
        parse_template(command.value)
    elif command.name == "PARAMETER":
        check_parameter(command)
