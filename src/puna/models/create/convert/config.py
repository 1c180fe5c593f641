"""Typed, bounded reading of the JSON files that accompany a checkpoint."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from puna.models.create.convert.errors import ConvertError

MAX_CONFIG = 4 * 2**20
MAX_WHOLE = 2**31 - 1
MAX_NUMBER = 1e30  # numbers are written as float32


def read_json(path: Path, limit: int = MAX_CONFIG) -> dict[str, Any] | None:
    """The JSON object in ``path``; None where there is no such file. Raises :class:`ConvertError`."""
    if not path.is_file():
        return None
    if path.stat().st_size > limit:
        raise ConvertError(f"{path.name} is larger than {limit // 2**20} MiB")
    try:
        value = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConvertError(f"{path.name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConvertError(f"{path.name} is not a JSON object")
    return value


@dataclass(frozen=True, slots=True)
class Config:
    """A JSON object with checked access; values of ``text_config`` come first where there is one."""

    data: Mapping[str, Any]
    file: str = "config.json"

    @classmethod
    def load(cls, directory: Path) -> "Config":
        """Read ``config.json``. Raises :class:`ConvertError` where it is missing or no object."""
        data = read_json(directory / "config.json")
        if data is None:
            raise ConvertError("config.json is missing")
        inner = data.get("text_config")
        if not isinstance(inner, dict):
            return cls(data)
        return cls({**data, **inner, "architectures": data.get("architectures")})

    @property
    def architectures(self) -> list[str]:
        """The class names that the checkpoint was saved with."""
        return [item for item in self.sequence("architectures") if isinstance(item, str)]

    def with_defaults(self, defaults: Mapping[str, Any]) -> "Config":
        """The same settings, with ``defaults`` for those that are absent or null."""
        given = {name: value for name, value in self.data.items() if value is not None}
        return Config({**defaults, **given}, self.file)

    def _find(self, names: Sequence[str]) -> tuple[str, Any]:
        for name in names:
            if self.data.get(name) is not None:
                return name, self.data[name]
        return names[0], None

    def whole_or_none(self, *names: str, least: int = 0, most: int = MAX_WHOLE) -> int | None:
        """The first of ``names`` that is there, as a whole number in the range."""
        name, value = self._find(names)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ConvertError(f"{self.file}: {name} is {value!r:.80} (wanted: a number from {least} to {most})")
        return value

    def whole(self, *names: str, default: int | None = None, least: int = 1, most: int = MAX_WHOLE) -> int:
        """Like :meth:`whole_or_none`, with a default; without one the value must be there."""
        value = self.whole_or_none(*names, least=least, most=most)
        if value is None:
            value = default
        if value is None:
            raise ConvertError(f"{self.file}: {names[0]} is missing")
        return value

    def number_or_none(self, *names: str) -> float | None:
        """The first of ``names`` that is there, as a finite number."""
        name, value = self._find(names)
        if value is None:
            return None
        usable = isinstance(value, int | float) and not isinstance(value, bool)
        if not usable or not math.isfinite(value) or abs(value) > MAX_NUMBER:
            raise ConvertError(f"{self.file}: {name} is {value!r:.80}, which is not a usable number")
        return float(value)

    def number(self, *names: str, default: float) -> float:
        """Like :meth:`number_or_none`, with a default."""
        value = self.number_or_none(*names)
        return default if value is None else value

    def flag(self, name: str, default: bool) -> bool:
        """The value of ``name`` as true or false."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ConvertError(f"{self.file}: {name} is neither true nor false")
        return value

    def text(self, name: str) -> str | None:
        """The value of ``name`` if it is a string."""
        value = self.data.get(name)
        return value if isinstance(value, str) else None

    def sequence(self, name: str) -> list[Any]:
        """The value of ``name`` if it is a list, otherwise an empty one."""
        value = self.data.get(name)
        return value if isinstance(value, list) else []

    def section(self, name: str) -> "Config":
        """The object under ``name``, empty where there is none."""
        value = self.data.get(name)
        return Config(value if isinstance(value, dict) else {}, self.file)
