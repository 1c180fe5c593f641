"""What the routes of every dialect share, and how they get at it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from puna.api.access.identity import IDENTITY, Identity
from puna.api.http.request_id import REQUEST_ID
from puna.api.prefixes import Prefixes
from puna.api.seal import Seal
from puna.api.tool_order import ToolOrder
from puna.cipher import Cipher
from puna.durations import parse_duration
from puna.errors import BadRequestError
from puna.inference.options import Options
from puna.jobs.archive import Archive
from puna.jobs.runs import Runs
from puna.models.library import Library
from puna.models.model import Model
from puna.models.registry.transfers import Transfers
from puna.outside import listed
from puna.scheduler.lease import Caller
from puna.scheduler.lender import Lender
from puna.service import LocalService, Service
from puna.settings import Settings

_CONVERSATION_HEADERS = ("session-id", "x-claude-code-session-id", "x-session-affinity", "x-session-id")
_PRIORITIES = ("interactive", "batch")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one running server."""

    settings: Settings
    library: Library
    scheduler: Lender
    transfers: Transfers
    seal: Seal
    archive: Archive
    runs: Runs
    cipher: Cipher
    prefixes: Prefixes = field(default_factory=Prefixes)
    tool_order: ToolOrder = field(default_factory=ToolOrder)

    @property
    def service(self) -> Service:
        """Return what answers requests; routes of a dialect go through it alone."""
        return LocalService(self.scheduler)

    @property
    def option_defaults(self) -> Mapping[str, Any]:
        """Return the options that hold where neither a model nor a request says otherwise."""
        return {"truncate": self.settings.truncate}

    def model(self, reference: str) -> Model:
        """Return the model that a request names; raise ``BadRequestError`` or ``ModelNotFoundError``."""
        if not reference:
            raise BadRequestError("model is required")
        return self.library.get(reference)


async def _services(request: Request) -> Services:  # without "async" it would run in a thread of its own
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


def caller_of(request: HTTPConnection, priority: str = "", conversation: str = "") -> Caller:
    """Return who asks: the key that the request was let in with, else the peer's address.

    ``priority``, or the header ``X-Priority`` without it, is "interactive" (the default) or "batch". Where nobody has a
    key, a conversation that names itself (``conversation_of``) has turns of its own: several may come from one address.
    """
    chosen = priority or request.headers.get("x-priority", "") or "interactive"
    if chosen not in _PRIORITIES:
        raise BadRequestError(f'invalid priority: "{chosen}" (must be "interactive" or "batch")')
    identity: Identity = request.scope[IDENTITY]
    client = identity.client
    if not identity.key and (named := conversation_of(request, conversation)):
        client = f"{client} {named}"
    return Caller(client=client, id=request.scope[REQUEST_ID], batch=chosen == "batch")


def conversation_of(request: HTTPConnection, named: str = "") -> str:
    """Return a short name for the conversation that a request belongs to, "" if it does not say.

    It is what the body ``named``, or one of the headers by which Codex, Claude Code and opencode tell theirs.
    """
    said = named or next((request.headers[name] for name in _CONVERSATION_HEADERS if name in request.headers), "")
    return sha256(said.encode()).hexdigest()[:16] if said else ""


def keep_alive_seconds(value: float | str | None) -> float | None:
    """Return ``keep_alive`` in seconds, or ``None`` for the setting's."""
    return None if value is None else parse_duration(value)


def warn_of_unknown(options: Options, path: str) -> None:
    """Name the options that nobody knows in the log, once per request."""
    if options.unknown:
        _log.warning("%s: unknown options: %s", path, listed(options.unknown))
