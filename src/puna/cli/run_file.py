"""``puna run ./model.gguf``: a model of a file, made once and found again as long as the file is the same."""

import hashlib
import re
from pathlib import Path

import typer

from puna.cli.client import NOT_FOUND, Client, ServerError
from puna.cli.create import create_model
from puna.cli.create_files import model_files
from puna.cli.errors import CommandError
from puna.config.home import expanded
from puna.models.modelfile.parse import Command, Modelfile

_PATH_START = ("/", "./", "../", "~")
_SUFFIX = ".gguf"
_NO_NAME = re.compile(r"[^a-z0-9_.-]+")
_LONGEST, _DIGITS = 60, 12


def find_file(text: str) -> Path | None:
    """Return the file, or directory of a checkpoint, that ``run`` was given for a model, if it was given one.

    Raises ``CommandError`` for a path that leads nowhere.
    """
    is_path = text.startswith(_PATH_START)
    if not (is_path or text.lower().endswith(_SUFFIX)):
        return None
    path = expanded(Path(text)).absolute()
    try:
        if path.exists():
            return path
    except OSError:
        pass  # a name too long for a file, or a directory that must not be read
    if is_path:
        raise CommandError(f"there is no {path}")
    return None


def model_of(client: Client, path: Path) -> str:
    """Return the name of the model that the server has of a file; it is made if it is not there."""
    name = _name(path)
    try:
        client.post("/api/show", {"model": name})
    except ServerError as error:
        if error.status != NOT_FOUND:
            raise
        create_model(client, name, Modelfile((Command("FROM", str(path), 1),)), path.parent)
        typer.echo(f"{path.name} is in the store now as {name} (puna rm {name} removes it there)", err=True)
    return name


def _name(path: Path) -> str:
    """Return a name that follows from where the files lie, how long they are and when they were written."""
    state = hashlib.sha256()
    for file in model_files(path):
        about = file.path.stat()
        state.update(f"{file.path.resolve()}\0{about.st_size}\0{about.st_mtime_ns}\0".encode(errors="surrogateescape"))
    stem = _NO_NAME.sub("-", path.stem.lower()).strip("-.")[:_LONGEST]
    return f"{stem or 'file'}:{state.hexdigest()[:_DIGITS]}"
