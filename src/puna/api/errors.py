"""The one place where an exception becomes a status and a body."""

import logging
from collections.abc import Mapping

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from puna.errors import PunaError

_log = logging.getLogger(__name__)
_INTERNAL = "internal server error; see the log of the server"


def error_body(error: Exception) -> dict[str, str]:
    """Return the body of an error in Ollama's shape. What is no fault of the caller's is logged, not told."""
    if isinstance(error, PunaError):
        return {"error": str(error)}
    _log.error("unexpected error", exc_info=error)
    return {"error": _INTERNAL}


def error_response(error: Exception) -> Response:
    """Return the response to a request that failed before its answer began."""
    status = error.status if isinstance(error, PunaError) else 500
    headers = dict(error.headers) if isinstance(error, PunaError) else {}
    return _json(error_body(error), status, headers)


def _json(body: Mapping[str, str], status: int, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), status, dict(headers), "application/json; charset=utf-8")


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of ``app`` a JSON body, those of routing (404, 405) included."""

    async def on_puna_error(_: Request, error: Exception) -> Response:
        return error_response(error)

    async def on_http_error(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) else _INTERNAL
        headers = error.headers if isinstance(error, HTTPException) else None
        return _json({"error": str(detail).lower()}, status, headers or {})

    app.add_exception_handler(PunaError, on_puna_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_puna_error)
