"""The directory of the models, before anything is looked for in it."""

from pathlib import Path

from puna.cli.errors import CommandError
from puna.config.home import expanded
from puna.settings import SETTINGS, Settings

_USUAL = Path(next(entry.default for entry in SETTINGS if entry.variable == "OLLAMA_MODELS"))


def prepare_models(settings: Settings) -> str:
    """Return what to say of the directory of the models, "" if it is there or is the usual one.

    One that the user named and that is not there is made: an empty store behind a mistyped name says nothing of itself.
    Raises ``CommandError`` where it cannot be made, or is a file.
    """
    path = settings.models
    if path == expanded(_USUAL).absolute():
        return ""
    try:
        if path.is_dir():
            return ""
        path.mkdir()
    except FileExistsError:
        raise CommandError(f"OLLAMA_MODELS: {path} is not a directory") from None
    except FileNotFoundError:
        raise CommandError(f"OLLAMA_MODELS: there is no {path}, and no {path.parent} to make it in") from None
    except OSError as error:
        raise CommandError(f"OLLAMA_MODELS: {path} cannot be used: {error.strerror}") from error
    return f"{path} was not there and has been made; it holds no models yet (OLLAMA_MODELS)"
