"""``/api/puna/usage``: what was used, by day, key and model."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from puna.accounts.grant import ANY
from puna.accounts.usage import between, to_csv
from puna.api.access.identity import IDENTITY, Identity
from puna.api.access.scopes import needs
from puna.api.http.responses import json_response
from puna.api.services import ServicesDep
from puna.errors import BadRequestError

router = APIRouter()


@router.get("/api/puna/usage", tags=["keys"])
@needs(ANY)
async def usage_route(
    request: Request,
    services: ServicesDep,
    since: str = "",
    until: str = "",
    key: str = "",
    form: Annotated[str, Query(alias="format")] = "json",
) -> Response:
    """Tell what was used from one day to another, both in UTC and included.

    A key without the scope ``admin`` is told of itself alone. ``format`` is ``json`` or ``csv``.
    """
    identity: Identity = request.scope[IDENTITY]
    whose = (key or None) if identity.is_admin or identity.key is None else identity.key.name
    if form not in ("json", "csv"):
        raise BadRequestError(f'invalid format: "{form}" (must be "json" or "csv")')
    first, last = between(since, until)
    await services.accounts.ledger.settle()
    rows = await services.accounts.read(lambda store: store.usage(first, last, whose))
    if form == "csv":
        headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
        return Response(to_csv(rows), 200, headers, "text/csv; charset=utf-8")
    return json_response({"usage": [row.to_json() for row in rows]})
