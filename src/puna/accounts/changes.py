"""Making, changing and ending keys: what the command line does on the file, and the API for others."""

import dataclasses
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from puna.accounts.grant import granted
from puna.accounts.keys import Key, checked_name, new_secret
from puna.accounts.quota import parse_age
from puna.errors import BadRequestError, NotFoundError

if TYPE_CHECKING:
    from puna.accounts.store import Store

_NEVER = ("never", "none")


def create(store: "Store", name: str, words: Mapping[str, Any]) -> tuple[Key, str]:
    """Make a key that may do what ``words`` say (see ``Grant.to_words``; ``expires`` too); return it and its text.

    The text is shown once and not kept. Raises ``BadRequestError`` if there is a key of the name; that of a revoked
    one is free, and nothing that was stored with the revoked one is the new key's.
    """
    text, identifier, digest = new_secret()
    key = Key(
        name=checked_name(name),
        id=identifier,
        hash=digest,
        grant=granted(words),
        created=time.time(),
        expires=_moment(words.get("expires")),
    )
    with store.changing() as keys:
        if name in keys and keys[name].revoked is None:
            raise BadRequestError(f"there is a key {name!r} already")
        if name in keys:
            key = dataclasses.replace(key, owner=f"{name}#{identifier}")
        keys[name] = key
    return key, text


def change(store: "Store", name: str, words: Mapping[str, Any]) -> Key:
    """Change what a key may do in the points that ``words`` name; raise ``NotFoundError`` or ``BadRequestError``."""
    given = {word: value for word, value in words.items() if value is not None}
    with store.changing() as keys:
        old = _live(keys, name)
        expires = _moment(given["expires"]) if "expires" in given else old.expires
        grant = granted({**old.grant.to_words(), **given})
        keys[name] = dataclasses.replace(old, grant=grant, expires=expires)
        return keys[name]


def rotate(store: "Store", name: str) -> tuple[Key, str]:
    """Give a key a new text, which is returned; the old one lets nobody in any more. Raises ``NotFoundError``."""
    text, identifier, digest = new_secret()
    with store.changing() as keys:
        keys[name] = dataclasses.replace(_live(keys, name), id=identifier, hash=digest)
        return keys[name], text


def revoke(store: "Store", name: str) -> Key:
    """End a key. Raises ``NotFoundError``."""
    with store.changing() as keys:
        keys[name] = dataclasses.replace(_live(keys, name), revoked=time.time())
        return keys[name]


def described(key: Key) -> dict[str, Any]:
    """Return what is told of a key: all but what would let anybody in."""
    state = "active" if key.is_valid else "expired" if key.revoked is None else "revoked"
    times = {"created_at": key.created, "expires_at": key.expires, "revoked_at": key.revoked}
    return {
        "name": key.name,
        "id": key.id,
        "state": state,
        **key.grant.to_words(),
        **{name: _written(moment) for name, moment in times.items()},
    }


def _live(keys: Mapping[str, Key], name: str) -> Key:
    key = keys.get(name)
    if key is None or key.revoked is not None:
        raise NotFoundError(f"there is no key {name!r}")
    return key


def _written(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _moment(text: str | None) -> float | None:
    """Return the time that ``90d`` or a date means, in seconds since the epoch; ``None`` for never."""
    if not text or text.strip().lower() in _NEVER:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return time.time() + parse_age(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
