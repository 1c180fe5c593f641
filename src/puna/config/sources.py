"""What is given for each setting, and where: the environment, before files, before the default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from puna.config.file import ConfigError, File, text_of
from puna.config.near import hint

ENVIRONMENT, DEFAULT = "environment", "default"
MODEL = "model"
"""The table that holds a section for each model."""
_NOT_IN_FILES = ("PUNA_CONFIG", "PUNA_TESTING")


@dataclass(frozen=True, slots=True)
class Given:
    """The text of a setting, and its ``origin``: ``path:line`` of a file, ``ENVIRONMENT`` or ``DEFAULT``."""

    text: str
    origin: str


def key_of(variable: str) -> str:
    """Return what a setting is called in a file: ``OLLAMA_KEEP_ALIVE`` is ``keep_alive``."""
    return variable.partition("_")[2].lower()


def gather(env: Mapping[str, str], files: Sequence[File], defaults: Mapping[str, str]) -> dict[str, Given]:
    """Return what is given for each variable in ``defaults``; raise ``ConfigError``. What is empty is not given."""
    given = {variable: Given(text, DEFAULT) for variable, text in defaults.items()}
    variables = {key_of(variable): variable for variable in defaults if variable not in _NOT_IN_FILES}
    for file in files:
        for key, value in file.values.items():
            if key == MODEL:
                continue
            if key not in variables:
                raise _unknown(file, key, variables)
            variable = variables[key]
            try:
                given[variable] = Given(text_of(value) or defaults[variable], file.origin(key))
            except ValueError as error:
                raise file.error(error, key) from None
    for variable in defaults:
        if text := env.get(variable, "").strip().strip("\"'"):
            given[variable] = Given(text, ENVIRONMENT)
    return given


def _unknown(file: File, key: str, variables: Mapping[str, str]) -> ConfigError:
    if key.upper() in variables.values():
        return file.error(f"in a file it is called {key_of(key.upper())}", key)
    if key.upper() in _NOT_IN_FILES:
        return file.error("it can only be given in the environment", key)
    return file.error(f"there is no such setting{hint(key, [*variables, MODEL])}", key)
