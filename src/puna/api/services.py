"""What the routes of every dialect share, and how they get at it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from puna.accounts.accounts import Accounts
from puna.accounts.errors import KeyForbidsError
from puna.accounts.grant import ANY
from puna.accounts.keys import Key
from puna.api.access.identity import IDENTITY, Identity
from puna.api.http.request_id import REQUEST_ID
from puna.api.prefixes import Prefixes
from puna.api.seal import Seal
from puna.api.tool_order import ToolOrder
from puna.api.watching.watchers import watchers_of
from puna.cipher import Cipher
from puna.durations import parse_duration
from puna.errors import BadRequestError, ModelNotFoundError
from puna.inference.options import Options
from puna.inference.watching import Watcher
from puna.jobs.archive import Archive
from puna.jobs.batches import Batches
from puna.jobs.batches_journal import Journal
from puna.jobs.recordings import Recordings
from puna.jobs.runs import Runs
from puna.models.adapters import adapted
from puna.models.library import Library
from puna.models.listing import Listing
from puna.models.model import Model
from puna.models.registry.target import parse_reference
from puna.models.registry.transfers import Transfers
from puna.names import ModelName, parse_name
from puna.outside import listed
from puna.scheduler.lease import Caller
from puna.service import Service
from puna.settings import Settings
from puna.telemetry.recent import Recent

_CONVERSATION_HEADERS = ("session-id", "x-claude-code-session-id", "x-session-affinity", "x-session-id")
_PRIORITIES = ("interactive", "batch")
_ALL = "this key may not do this with all models"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one running server, as the request that holds them may see them: a key may be held to models."""

    settings: Settings
    library: Library
    service: Service
    """What answers requests; routes of a dialect go through it alone."""
    transfers: Transfers
    seal: Seal
    archive: Archive
    runs: Runs
    cipher: Cipher
    accounts: Accounts
    journal: Journal
    batches: Batches
    recordings: Recordings
    recent: Recent
    prefixes: Prefixes = field(default_factory=Prefixes)
    tool_order: ToolOrder = field(default_factory=ToolOrder)
    key: Key | None = None

    def seen_by(self, identity: Identity, watchers: Sequence[Watcher] = ()) -> "Services":
        """Return the parts as a request of ``identity`` may see them, which is told to ``watchers``."""
        if identity.key is None and not watchers:
            return self
        return replace(self, key=identity.key, service=self.service.told(watchers) if watchers else self.service)

    @property
    def option_defaults(self) -> Mapping[str, Any]:
        """Return the options that hold where neither a model nor a request says otherwise."""
        return {"truncate": self.settings.truncate}

    def model(self, reference: str) -> Model:
        """Return the model that a request names, perhaps with one of its adapters, or that an alias stands for.

        Raises ``BadRequestError`` or ``ModelNotFoundError``.

        One that its key may not know of is not there, in the same words.
        """
        if not reference:
            raise BadRequestError("model is required", param="model")
        if self.key is not None and not self.sees(parse_name(reference)):
            self.accounts.refuse(self.key)
            raise ModelNotFoundError(reference)
        try:
            return self.library.get(reference)
        except ModelNotFoundError:
            name = parse_name(reference)
            if (target := self.settings.sections.target(name)) is not None:
                return self.library.get(target)
            if (model := adapted(self.library, name)) is not None:
                return model
            raise

    def sees(self, name: ModelName) -> bool:
        """Return whether the request may know of the model of this name."""
        return self.key is None or self.key.grant.sees(name)

    def require(self, reference: str = "", scope: str = ANY) -> None:
        """Raise ``KeyForbidsError`` unless the request may make, fetch or send a model of this name ("": any name), and
        do what takes ``scope``. An alias is no name that a model could have: ``BadRequestError``."""
        name = parse_reference(reference).name if reference else None  # it may have a login in it
        if name and (target := self.settings.sections.target(name)):
            raise BadRequestError(f"'{reference}' is an alias of {target}, which the server's settings give it")
        if self.key is None:
            return
        grant = self.key.grant
        if grant.models and not (name and self.sees(name)):
            self.accounts.refuse(self.key)
            raise KeyForbidsError(f"this key may not use the name {reference!r}" if reference else _ALL)
        if not grant.may(scope):
            self.accounts.refuse(self.key)
            raise KeyForbidsError(f"this key may not do this: it takes the scope {scope}")

    def models(self) -> Listing:
        """Return every model that the request may know of; the same object until something changes. For a thread."""
        return self._seen(self.library.list())

    def latest_models(self) -> Listing | None:
        """Return what ``models`` would, at once; ``None`` if that takes a thread."""
        listing = self.library.latest()
        return self._seen(listing) if listing else None

    def _seen(self, listing: Listing) -> Listing:
        return listing if self.key is None else listing.of(self.key.grant.models, self.sees)

    def aliases(self) -> list[tuple[ModelName, Model]]:
        """Return the aliases that the request may know of, with what they stand for, if that is here. For a thread."""
        found = []
        for alias, target in self.settings.sections.aliases():
            if self.sees(alias) and not self.library.has(alias) and self.library.has(target):
                found.append((alias, self.library.get(target)))
        return found


async def _services(request: Request) -> Services:  # without "async" it would run in a thread of its own
    services: Services = request.app.state.services
    identity: Identity = request.scope[IDENTITY]
    return services.seen_by(identity, watchers_of(request))


ServicesDep = Annotated[Services, Depends(_services)]


def caller_of(request: HTTPConnection, priority: str = "", conversation: str = "") -> Caller:
    """Return who asks: the key that the request was let in with, else the peer's address.

    ``priority``, or the header ``X-Priority`` without it, is "interactive" (the default) or "batch"; a key may be held
    to the latter. Where nobody has a key, a conversation that names itself (``conversation_of``) has turns of its own:
    several may come from one address.
    """
    chosen = priority or request.headers.get("x-priority", "") or "interactive"
    if chosen not in _PRIORITIES:
        raise BadRequestError(f'invalid priority: "{chosen}" (must be "interactive" or "batch")')
    identity: Identity = request.scope[IDENTITY]
    named = conversation_of(request, conversation)
    if identity.key is not None:
        name, grant = identity.key.name, identity.key.grant
        batch = grant.batch or chosen == "batch"
        id_, weight = request.scope[REQUEST_ID], grant.weight
        return Caller(client=name, id=id_, batch=batch, key=name, weight=weight, conversation=named)
    client = f"{identity.client} {named}" if named else identity.client
    return Caller(client=client, id=request.scope[REQUEST_ID], batch=chosen == "batch", conversation=named)


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
