"""Conversations' caches on disk: what a slot held when its model left memory, for the day it comes back.

A directory for each key, which is everything that makes a cache valid but the tokens: the model's digest, engine,
context and number formats. Only this user can read any of it. The least recently used sessions go when all together are
over the limit, and those of a model that is no more go with it.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_log = logging.getLogger(__name__)
_ENDING = ".session"
_BEGINNING = ".beginning"
_KEPT = (_ENDING, _BEGINNING)
_UNFINISHED = ".part"
_ABOUT = "about.json"
LEAST_TOKENS = 64
"""Reading fewer tokens again is no trouble."""
_NAME, _DIGEST = "model", "digest"
_MAGIC = 0x67677371  # "ggsq": llama.cpp's file of one sequence
_HEADER = struct.Struct("<III")
_LISTED = 0xFFFFFFFF
"""What stands in front of a list of tokens with a header of its own: this, a version, a count."""


class BadSessionError(Exception):
    """A file is not what the engine writes."""


@dataclass(frozen=True, slots=True)
class Session:
    """One saved slot: its file, its tokens."""

    path: Path
    tokens: tuple[int, ...]

    @property
    def is_beginning(self) -> bool:
        """Return whether it is what several prompts begin with, and not a conversation."""
        return self.path.suffix == _BEGINNING

    def shares(self, tokens: Sequence[int]) -> int:
        """Return how many tokens at the beginning are the same."""
        return shared(self.tokens, tokens)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a list says about a session. ``size`` is in bytes, ``used_at`` in seconds since the epoch.

    ``beginning`` tells that it is what several prompts begin with, and not a conversation.
    """

    model: str
    tokens: int
    size: int
    used_at: float
    beginning: bool = False


class Elsewhere(Protocol):
    """Other machines that save sessions as this one does."""

    def has(self, place: Path) -> bool:
        """Return whether any has saved something for a directory of this name."""
        ...

    async def bring(self, place: Path, digest: str, tokens: Sequence[int], known: int) -> Session | None:
        """Return what others have saved of a prompt beyond its first ``known`` tokens, now kept in ``place``.

        ``None`` if they have nothing of use, or it is quicker to read it again. ``digest`` is that of the model.
        """
        ...


class SessionStore:
    """All saved sessions under ``root``, ``limit`` bytes at most; 0 keeps none. Others may be brought here."""

    def __init__(self, root: Path, limit: int, elsewhere: Elsewhere | None = None) -> None:
        self.limit = limit
        self.elsewhere = elsewhere
        self._root = root
        self._lock: int | None = None
        """A descriptor of ``root``, whose lock servers of the same models share as long as they live."""

    def __del__(self) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def place(self, key: str) -> Path:
        """Return where the sessions of a key lie, whether there are any or not."""
        return self._root / key

    def kept(self) -> list[tuple[str, str]]:
        """Return the keys under which something is saved, each after the digest of its model."""
        return [
            (str(_about(place).get(_DIGEST, "")), place.name) for place in _inside(self._root) if _inside(place, _KEPT)
        ]

    def has_elsewhere(self, place: Path) -> bool:
        """Return whether others may have something to bring to a directory."""
        return self.elsewhere is not None and self.elsewhere.has(place)

    async def bring(self, place: Path, tokens: Sequence[int], known: int) -> Session | None:
        """Return what is saved elsewhere of a prompt; see ``Elsewhere``."""
        if self.elsewhere is None:
            return None
        return await self.elsewhere.bring(place, str(_about(place).get(_DIGEST, "")), tokens, known)

    def directory(self, about: Mapping[str, Any]) -> Path:
        """Return the directory of sessions with this key, made if need be. A model's name is noted, but no part."""
        text = json.dumps(about, sort_keys=True)
        key = json.dumps({name: value for name, value in about.items() if name != _NAME}, sort_keys=True)
        place = self._root / hashlib.sha256(key.encode()).hexdigest()[:32]
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root.chmod(0o700)
        place.chmod(0o700)
        self._share()
        (place / _ABOUT).write_text(text, encoding="utf-8")
        return place

    def unfinished(self, place: Path) -> Path:
        """Return a name for a file that is being written."""
        return place / f"{secrets.token_hex(8)}{_UNFINISHED}"

    def sessions(self, place: Path) -> list[Session]:
        """Return the sessions of a directory; files that cannot be read are removed."""
        return self._read(place, _ENDING)

    def beginnings(self, place: Path) -> list[Session]:
        """Return the beginnings of prompts of a directory; files that cannot be read are removed."""
        return self._read(place, _BEGINNING)

    def _read(self, place: Path, ending: str) -> list[Session]:
        found = []
        for path in _inside(place, ending):
            try:
                found.append(Session(path, read_tokens(path)))
            except (OSError, BadSessionError) as error:
                _log.warning("removing a saved session that cannot be read: %s", error)
                self.remove(path)
        return found

    def keep(self, unfinished: Path, expected: int, used_at: float | None = None) -> Session | None:
        """Keep a file of ``expected`` tokens that the engine has written, in the place of sessions that it continues.

        It continues those that it begins with but for a few tokens: where they part, text was tokenized anew. That
        two have most of their tokens in common does not tell: a long system prompt is that of many conversations.
        ``used_at`` is when it was used last, in seconds since the epoch; without it, now. Returns ``None`` when another
        session holds as much already, or the file is bad or too large; it is gone then.
        """
        session = self._written(unfinished, expected, _ENDING)
        if session is None:
            return None
        tokens = session.tokens
        for other in self.sessions(unfinished.parent):
            same = other.shares(tokens)
            if same == len(tokens) < len(other.tokens):
                self.remove(unfinished)
                return None
            if len(other.tokens) - same < LEAST_TOKENS and other.path != session.path:
                self.remove(other.path)
        if used_at is not None:
            os.utime(unfinished, (used_at, used_at))
        return self._placed(unfinished, session)

    def keep_beginning(self, unfinished: Path, expected: int) -> Session | None:
        """Keep a file of ``expected`` tokens with which several prompts begin; ``None`` if it is bad or too large."""
        session = self._written(unfinished, expected, _BEGINNING)
        return session and self._placed(unfinished, session)

    def _written(self, unfinished: Path, expected: int, ending: str) -> Session | None:
        """Return what a file is to become, ``None`` if it is bad; it is gone then."""
        try:
            unfinished.chmod(0o600)
            tokens = read_tokens(unfinished)
            if len(tokens) != expected:
                raise BadSessionError(f"{unfinished.name} has {len(tokens)} tokens instead of {expected}")
        except (OSError, BadSessionError) as error:
            _log.warning("a session could not be saved: %s", error)
            self.remove(unfinished)
            return None
        digest = hashlib.sha256(struct.pack(f"<{len(tokens)}I", *tokens)).hexdigest()[:32]
        return Session(unfinished.with_name(digest + ending), tokens)

    def _placed(self, unfinished: Path, session: Session) -> Session | None:
        unfinished.replace(session.path)
        self._trim()
        return session if session.path.exists() else None

    def used(self, session: Session) -> None:
        """Note that a session has been restored."""
        with contextlib.suppress(OSError):
            os.utime(session.path)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is still there."""
        with contextlib.suppress(OSError):
            path.unlink()

    def list(self, *, beginnings: bool = False) -> list[SessionInfo]:
        """Return the conversations that are saved, the most recently used first, and ``beginnings`` if wanted."""
        infos = []
        for path, size, used_at in self._files(_KEPT if beginnings else _ENDING):
            with contextlib.suppress(OSError, ValueError, BadSessionError):
                name = str(_about(path.parent).get(_NAME, ""))
                infos.append(SessionInfo(name, len(read_tokens(path)), size, used_at, path.suffix == _BEGINNING))
        return sorted(infos, key=lambda info: info.used_at, reverse=True)

    def context_of(self, digest: str) -> int:
        """Return the context of the session of a model that was used last, 0 if none is saved."""
        saved: list[tuple[float, int]] = []
        for place in _inside(self._root):  # each request that waits for a load asks: other models' files are let be
            about = _about(place)
            used = [at for _, _, at in _files_in(place, _KEPT)] if about.get(_DIGEST) == digest else []
            if used:
                with contextlib.suppress(TypeError, ValueError):
                    saved.append((max(used), int(about.get("context", 0))))
        return max(saved, default=(0.0, 0))[1]

    def clear(self) -> int:
        """Remove all sessions and return how many there were."""
        files = list(self._files())
        for path, _, _ in files:
            self.remove(path)
        return len(files)

    def digests(self) -> set[str]:
        """Return the digests of the models that there are sessions of."""
        return {str(_about(place).get(_DIGEST, "")) for place in _inside(self._root)}

    def forget(self, digest: str) -> None:
        """Remove all sessions of the model with this digest."""
        for place in _inside(self._root):
            if _about(place).get(_DIGEST, "") == digest:
                shutil.rmtree(place, ignore_errors=True)

    def clean(self) -> None:
        """Remove what a process that was killed left half-written, and what is over the limit.

        While another server lives, a file may be half-written because it is writing it, and a directory empty because
        its engines will write there.
        """
        is_alone = self._is_alone()
        if is_alone:
            for place in _inside(self._root):
                for path in _inside(place, _UNFINISHED):
                    self.remove(path)
        self._trim()
        if is_alone:
            for place in _inside(self._root):
                if not _inside(place, _KEPT):
                    shutil.rmtree(place, ignore_errors=True)
        self._share()

    def _is_alone(self) -> bool:
        """Return whether no other server saves sessions here; none can begin to before ``_share``."""
        descriptor = self._descriptor()
        try:
            if descriptor is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return descriptor is not None

    def _share(self) -> None:
        descriptor = self._descriptor()
        if descriptor is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_SH)

    def _descriptor(self) -> int | None:
        if self._lock is None:
            with contextlib.suppress(OSError):  # there are no sessions yet
                self._lock = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        return self._lock

    def _files(self, ending: str | tuple[str, ...] = _KEPT) -> Iterator[tuple[Path, int, float]]:
        for place in _inside(self._root):
            yield from _files_in(place, ending)

    def _trim(self) -> None:
        files = sorted(self._files(), key=lambda entry: entry[2])
        size = sum(entry[1] for entry in files)
        for path, own, _ in files:
            if size <= self.limit:
                break
            self.remove(path)
            size -= own


def _inside(place: Path, ending: str | tuple[str, ...] = "") -> list[Path]:
    """Return what is in a directory, in order; nothing if it is gone, as another model's may be at any moment.

    ``Path.glob`` fails when a directory goes that it is about to look into.
    """
    try:
        return sorted(path for path in place.iterdir() if path.name.endswith(ending))
    except OSError:
        return []


def _files_in(place: Path, ending: str | tuple[str, ...]) -> Iterator[tuple[Path, int, float]]:
    """Yield the files of a directory, each with its bytes and when it was used last."""
    for path in _inside(place, ending):
        with contextlib.suppress(OSError):
            stat = path.stat()
            yield path, stat.st_size, stat.st_mtime


def _about(place: Path) -> Mapping[str, Any]:
    """Return what is noted about a directory; nothing if that cannot be read."""
    try:
        about = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def shared(tokens: Sequence[int], others: Sequence[int]) -> int:
    """Return with how many tokens both begin. It halves what is left, so that no token is looked at by itself."""
    one, other = tuple(tokens), tuple(others)
    same, most = 0, min(len(one), len(other))
    while same < most:
        middle = (same + most + 1) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same


def read_tokens(path: Path) -> tuple[int, ...]:
    """Return the tokens of a sequence that the engine has saved; raise ``BadSessionError`` or ``OSError``."""
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise BadSessionError(f"{path.name} is too short")
        magic, _, count = _HEADER.unpack(head)
        if magic != _MAGIC or count * 4 > path.stat().st_size:
            raise BadSessionError(f"{path.name} is not a saved sequence")
        words = struct.unpack(f"<{count}I", file.read(4 * count))
    if words[:1] != (_LISTED,):
        return words
    if count < 3 or words[2] > count - 3:
        raise BadSessionError(f"{path.name} has an unknown list of tokens")
    return words[3 : 3 + words[2]]
