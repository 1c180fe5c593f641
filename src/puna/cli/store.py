"""The directory of the models, before anything is looked for in it."""

from puna.cli.errors import CommandError
from puna.settings import Settings


def prepare_models(settings: Settings) -> str:
    """Return what to say of the directory of the models, "" if it is there or is the usual one.

    One that the user named and that is not there is made: an empty store behind a mistyped name says nothing of itself.
    Raises ``CommandError`` where it cannot be made, or is a file.
    """
    path = settings.models
    if path == Settings.from_env({}).models:
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
