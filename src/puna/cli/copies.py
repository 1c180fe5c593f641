"""Copies of files of the user's before something is written into them, and the way back."""

import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from puna.cli.errors import CommandError

_RECORD = "record.json"
_BEFORE = "before"


class Copies:
    """What one agent's files were before; ``directory`` is where that is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, path: Path, text: str) -> Path | None:
        """Write a file and return the copy of what it held, ``None`` if it was not there.

        The copy that ``restore`` puts back is the one from before the first of these writes.
        """
        old = _read(path)
        self._directory.mkdir(parents=True, exist_ok=True)
        record = self._record()
        if record and record["path"] == str(path) and record["digest"] == _digest(old):
            had = record["had"]
        else:
            had = old is not None
            if old is not None:
                self._put_aside()
                _replace(self._directory / _BEFORE, old)
        data = text.encode()
        # The record first: an interrupted write leaves a file that is not what the record says, and is told so.
        about = {"path": str(path), "digest": _digest(data), "had": had}
        _replace(self._directory / _RECORD, json.dumps(about).encode())
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
        return self._directory / _BEFORE if had else None

    def restore(self, *, force: bool) -> str:
        """Put the file back as it was before the first ``write`` and return what was done.

        Raises ``CommandError`` for one that was changed since, unless ``force`` says that this may be lost; then that
        goes into a copy of its own.
        """
        record = self._record()
        if not record:
            raise CommandError("there is nothing to undo")
        path = Path(record["path"])
        now = _read(path)
        kept = ""
        if now is not None and _digest(now) != record["digest"]:
            if not force:
                raise CommandError(
                    f"{path} was changed since; --yes puts back what it was before"
                    + (f" ({self._directory / _BEFORE})" if record["had"] else "")
                )
            copy = path.with_name(f"{path.name}.changed")
            _replace(copy, now)
            kept = f"; what it was now is in {copy}"
        before = _read(self._directory / _BEFORE) if record["had"] else None
        if before is not None:
            _replace(path, before)
        else:
            path.unlink(missing_ok=True)
        (self._directory / _RECORD).unlink()
        (self._directory / _BEFORE).unlink(missing_ok=True)
        return f"{path} is as it was before{kept}" if before is not None else f"removed {path}{kept}"

    def _put_aside(self) -> None:
        """Keep an earlier copy under another name: the file was changed since by somebody else."""
        earlier = self._directory / _BEFORE
        if earlier.exists():
            earlier.replace(earlier.with_name(f"{_BEFORE}-{time.time_ns()}"))

    def _record(self) -> dict[str, Any] | None:
        data = _read(self._directory / _RECORD)
        try:
            record = json.loads(data or b"null")
            return record if record and {"path", "digest", "had"} <= set(record) else None
        except (ValueError, TypeError):
            return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    """Write a file at once or not at all, with the permissions that it had; a link stays one."""
    path = path.resolve()
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        Path(file.name).chmod(mode)
        Path(file.name).replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error


def _digest(data: bytes | None) -> str:
    return hashlib.sha256(data).hexdigest() if data is not None else ""
