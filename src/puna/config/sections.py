"""What the operator of a server says about single models: a section for each in the files of settings."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from puna.config.file import File
from puna.config.near import hint
from puna.config.sources import MODEL
from puna.durations import FOREVER, parse_duration
from puna.errors import BadRequestError
from puna.names import ModelName, parse_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The settings of one model.

    ``options`` win over the model's own and give way to a request's. ``keep_alive`` (seconds) is for requests that do
    not say; whatever is said is held between ``keep_alive_min`` and ``keep_alive_max``. A ``pinned`` model stays in
    memory, and makes no room for others. ``preload`` brings it there when the server starts. ``engine`` is a name or
    path as ``puna engine use`` takes it, "" for the usual one. ``aliases`` are names that stand for the model.
    In a cluster ``nodes`` are the labels that a node must have to run it.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None
    keep_alive_min: float = 0.0
    keep_alive_max: float = FOREVER
    engine: str = ""
    aliases: tuple[ModelName, ...] = ()
    pinned: bool = False
    preload: bool = False
    nodes: tuple[str, ...] = ()

    def stay(self, asked: float | None, usual: float) -> float:
        """Return for how many seconds the model stays after a request that ``asked`` for so many."""
        if self.pinned:
            return FOREVER
        own = usual if self.keep_alive is None else self.keep_alive
        return min(max(own if asked is None else asked, self.keep_alive_min), self.keep_alive_max)


PLAIN = Section()
"""The section of a model that has none."""


@dataclass(slots=True)
class Sections:
    """The sections of all models, by the key of the model's name; ``origins`` says where each of their keys stands."""

    models: dict[str, tuple[ModelName, Section]] = field(default_factory=dict)
    origins: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, name: ModelName) -> Section:
        """Return the section of a model."""
        return self.models[name.key][1] if name.key in self.models else PLAIN

    def target(self, name: ModelName) -> ModelName | None:
        """Return the model that a name is an alias of, ``None`` if it is none."""
        return next((model for alias, model in self.aliases() if alias.key == name.key), None)

    def aliases(self) -> Iterator[tuple[ModelName, ModelName]]:
        """Yield every alias with the model that it stands for."""
        for name, section in self.models.values():
            for alias in section.aliases:
                yield alias, name

    def __iter__(self) -> Iterator[tuple[ModelName, Section]]:
        """Yield every model that has a section, with it."""
        return iter(list(self.models.values()))


def read_sections(files: Sequence[File]) -> Sections:
    """Return the sections of all files, of which later ones win key by key; raise ``ConfigError``."""
    sections = Sections()
    for file in files:
        tables = file.values.get(MODEL, {})
        if not isinstance(tables, dict):
            raise file.error(f'it must have a table for each model: [{MODEL}."NAME"]', MODEL)
        for text, table in tables.items():
            try:
                name = parse_name(text)
                _read(sections, file, text, name, table)
            except BadRequestError as error:
                raise file.error(error, MODEL, text) from None
    return sections


def _read(sections: Sections, file: File, text: str, name: ModelName, table: object) -> None:
    if not isinstance(table, dict):
        raise BadRequestError("it must be a table")
    if target := sections.target(name):
        raise BadRequestError(f"it is an alias of {target}, which has the section")
    section = sections.of(name)
    for key, value in table.items():
        origin = file.origin(MODEL, text, key)
        try:
            section = changed(section, {key: value})
            if key == "aliases":
                check_aliases(sections, name, section.aliases)
        except BadRequestError as error:
            raise file.error(error, MODEL, text, key) from None
        sections.origins[name.key, key] = origin
    if section.keep_alive_min > section.keep_alive_max:
        raise BadRequestError("keep_alive_min is more than keep_alive_max")
    sections.models[name.key] = name, section


def changed(section: Section, values: Mapping[str, Any]) -> Section:
    """Return a section with some keys given anew, options one by one; raise ``BadRequestError``."""
    for key, value in values.items():
        if key not in _PARSERS:
            raise BadRequestError(f"a model has no such setting{hint(key, _PARSERS)}")
        parsed = _PARSERS[key](value)
        new: dict[str, Any] = {key: {**section.options, **parsed} if key == "options" else parsed}
        section = replace(section, **new)
    return section


def check_aliases(sections: Sections, name: ModelName, aliases: Sequence[ModelName]) -> None:
    """Raise ``BadRequestError`` if one of the aliases of a model is the name of it, or already another's."""
    for alias in aliases:
        target = sections.target(alias)
        if target and target.key != name.key:
            raise BadRequestError(f"{alias} is an alias of {target} already")
        if alias.key == name.key or alias.key in sections.models:
            raise BadRequestError(f"{alias} is the name of a model that has a section")


def _options(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestError("it must be a table of options")
    return dict(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadRequestError("it must be true or false")
    return value


def _engine(value: object) -> str:
    if not isinstance(value, str):
        raise BadRequestError("it must be the name or path of an engine")
    return value


def _labels(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(label, str) and label for label in value):
        raise BadRequestError("it must be a list of labels")
    return tuple(value)


def _aliases(value: object) -> tuple[ModelName, ...]:
    if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
        raise BadRequestError("it must be a list of names")
    return tuple({name.key: name for name in map(parse_name, value)}.values())


_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "options": _options,
    "keep_alive": parse_duration,
    "keep_alive_min": parse_duration,
    "keep_alive_max": parse_duration,
    "engine": _engine,
    "aliases": _aliases,
    "pinned": _flag,
    "preload": _flag,
    "nodes": _labels,
}
assert set(_PARSERS) == {entry.name for entry in fields(Section)}


def words(section: Section) -> dict[str, Any]:
    """Return a section as JSON has it; a time without end is -1."""
    found: dict[str, Any] = {key: getattr(section, key) for key in _PARSERS}
    for key, value in found.items():
        if value == math.inf:
            found[key] = -1
    return found | {"options": dict(section.options), "aliases": [str(alias) for alias in section.aliases]}
