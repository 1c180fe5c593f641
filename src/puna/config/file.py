"""A file of settings in TOML: its values, and the line on which each of them stands."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puna.config.home import expanded
from puna.errors import PunaError

_LARGEST = 1 << 20


class ConfigError(PunaError):
    """A file of settings cannot be used; the text says which, and on what line."""


@dataclass(frozen=True, slots=True)
class File:
    """What a file says. ``lines`` has the line of each key, by the keys on the way to it."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[tuple[str, ...], int]

    def origin(self, *keys: str) -> str:
        """Return ``path:line`` of a key, or of the table that it is in."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.path}:{self.lines[keys]}" if keys else str(self.path)

    def error(self, reason: object, *keys: str) -> ConfigError:
        """Return the error that something is wrong with a key."""
        return ConfigError(f"{self.origin(*keys)}: {'.'.join(map(_shown, keys))}: {reason}")


def read_file(path: Path) -> File:
    """Return what a file says; raise ``ConfigError``, or ``OSError`` where it cannot be read."""
    with path.open("rb") as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigError(f"{path}: a file of settings has at most {_LARGEST >> 20} MiB")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: it is not UTF-8") from None
    import tomllib  # most commands find no file

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _line_of(str(error), text)
        raise ConfigError(f"{path}:{line}: it is not TOML: {error}") from None
    return File(path, values, dict(_lines(text)))


def _line_of(message: str, text: str) -> int:
    """Return the line in "... (at line 3, column 5)", which may be "(at end of document)" too."""
    found = message.rpartition("at line ")[2].partition(",")[0]
    return int(found) if found.isdigit() else text.rstrip("\n").count("\n") + 1


def _lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the keys of a text that is TOML, each with the line of its first mention.

    Statements are found by reading on until what was read is TOML by itself, below the last ``[table]``: a value may go
    over many lines, and only a reader of TOML knows where it ends.
    """
    import tomllib

    lines = text.split("\n")
    seen: set[tuple[str, ...]] = set()
    table, begin = "", 0
    for end in range(1, len(lines) + 1):
        statement = "\n".join(lines[begin:end]) + "\n"
        is_table = statement.lstrip().startswith("[")
        try:
            found = tomllib.loads(statement if is_table else table + statement)
        except tomllib.TOMLDecodeError:
            continue
        table = statement if is_table else table
        for keys in _keys(found):
            if keys not in seen:
                seen.add(keys)
                yield keys, begin + 1
        begin = end


def _keys(values: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield (*above, key)
            yield from _keys(value, (*above, key))


def text_of(value: object) -> str:
    """Return a value as the environment would have it: a list's entries with commas, a table's as ``key=value``.

    Raises ``ValueError``.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case list():
            return ",".join(map(_entry, value))
        case dict():
            return ",".join(f"{key}={_entry(entry)}" for key, entry in value.items())
    raise ValueError("it must be text, a number, true or false, a list or a table of these")


def _entry(value: object) -> str:
    text = text_of(value) if not isinstance(value, list | dict) else ","
    if "," in text:
        raise ValueError("an entry must be text without a comma, a number, true or false")
    return text


def _shown(key: str) -> str:
    return key if key.replace("-", "_").isidentifier() else f'"{key}"'


def places(env: Mapping[str, str]) -> list[tuple[Path, bool]]:
    """Return where files of settings may lie, later ones winning, and whether each must be there.

    The null device as ``PUNA_CONFIG`` means none at all.
    """
    named = env.get("PUNA_CONFIG", "").strip()
    if named == os.devnull:
        return []
    own = env.get("XDG_CONFIG_HOME") or "~/.config"
    found = [(Path("/etc/puna.toml"), False), (Path(own, "puna", "config.toml"), False)]
    if named:
        found.append((Path(named), True))
    return [(expanded(path).absolute(), required) for path, required in found]


def read_files(env: Mapping[str, str]) -> tuple[list[File], list[str]]:
    """Return the files that are there, later ones winning, and what is to be said of those that may not be read.

    Raises ``ConfigError``. A file in one of the usual places that only others may read is no reason to stop.
    """
    files: list[File] = []
    passed_over: list[str] = []
    for path, required in places(env):
        try:
            files.append(read_file(path))
        except (FileNotFoundError, NotADirectoryError):
            if required:
                raise ConfigError(f"PUNA_CONFIG: there is no file {path}") from None
        except OSError as error:
            said = f"{path} cannot be read: {error.strerror}"
            if required:
                raise ConfigError(f"PUNA_CONFIG: {said}") from None
            passed_over.append(f"{said}; its settings do not hold")
    return files, passed_over
