"""``puna create``: make a model from a Modelfile. Files are uploaded as blobs unless the server has them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from puna.cli.client import Client
from puna.cli.connection import connected
from puna.cli.create_files import SourceFile, find_source, model_files
from puna.cli.errors import CommandError
from puna.cli.progress import show_progress
from puna.cli.screen import console
from puna.cli.standard_input import read_standard_input
from puna.cli.tables import AsJson
from puna.config.home import expanded
from puna.inference.parameters import check_parameters
from puna.models.modelfile.parse import Modelfile, parse_modelfile

_BLOCK = 4 << 20
_DEFAULT = Path("Modelfile")
_FILE_FIELDS = (("FROM", "files"), ("ADAPTER", "adapters"), ("DRAFT", "draft_files"))
_TEXT_FIELDS = ("TEMPLATE", "SYSTEM", "RENDERER", "PARSER", "REQUIRES")


def create(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="the name of the new model", show_default=False)],
    file: Annotated[str, typer.Option("--file", "-f", help='the Modelfile; "-" is standard input')] = str(_DEFAULT),
    quantize: Annotated[str, typer.Option("--quantize", "-q", help="quantize the weights, to q4_K_M for one")] = "",
    draft_quantize: Annotated[str, typer.Option("--draft-quantize", hidden=True)] = "",
    keep: Annotated[
        bool, typer.Option("--keep", help="keep a checkpoint in safetensors as it is, for vLLM (puna engine use vllm)")
    ] = False,
    as_json: AsJson = False,
    _experimental: Annotated[
        bool, typer.Option("--experimental", hidden=True, help="safetensors need no word of their own here")
    ] = False,
) -> None:
    """Make a model from a Modelfile."""
    if draft_quantize:
        raise CommandError("a draft is quantized on its own: make it with --quantize first, then name it in DRAFT")
    directory, modelfile = _read(file)
    check_parameters(modelfile)
    with connected(start=True) as client:
        typer.echo("gathering model components", err=True)
        create_model(client, model, modelfile, directory, quantize, keep=keep, as_json=as_json)


def create_model(
    client: Client,
    model: str,
    modelfile: Modelfile,
    directory: Path,
    quantize: str = "",
    *,
    keep: bool = False,
    as_json: bool = False,
) -> None:
    """Make a model and show the progress; relative paths of the Modelfile begin in ``directory``."""
    with _bars() as bars:
        body = request_body(modelfile, directory, _Uploader(client, bars))
    if quantize:
        body["quantize"] = quantize
    if keep:
        body["keep"] = True
    show_progress(client.lines("/api/create", {"model": model, **body}), as_json=as_json)


def _bars() -> Progress:
    screen = console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=screen, disable=not screen.is_terminal)


def _read(file: str) -> tuple[Path, Modelfile]:
    """Return where the Modelfile's relative paths begin, and what it says."""
    if file == "-":
        return Path.cwd(), parse_modelfile(read_standard_input())
    path = expanded(Path(file))
    if file == str(_DEFAULT) and not path.exists() and any(Path().glob("*.safetensors")):
        return Path.cwd(), parse_modelfile("FROM .")
    try:
        return path.parent, parse_modelfile(path.read_bytes())
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error


class _Uploader:
    """Brings files to the server."""

    def __init__(self, client: Client, bars: Progress) -> None:
        self._client = client
        self._bars = bars

    def __call__(self, file: SourceFile) -> str:
        """Return the digest of a file that the server has from now on."""
        state = hashlib.sha256()
        for block in self._blocks(file, "hashing"):
            state.update(block)
        digest = f"sha256:{state.hexdigest()}"
        if not self._client.has_blob(digest):
            self._client.send_blob(digest, self._blocks(file, "copying"))
        return digest

    def _blocks(self, file: SourceFile, verb: str) -> Iterator[bytes]:
        task = self._bars.add_task(f"{verb} {file.name}", total=file.path.stat().st_size)
        with file.path.open("rb") as opened:
            while block := _next_block(opened, file.path):
                yield block
                self._bars.advance(task, len(block))


def _next_block(opened: IO[bytes], path: Path) -> bytes:
    try:
        return opened.read(_BLOCK)
    except OSError as error:  # of which Python names no file
        raise CommandError(f"cannot read {path}: {error.strerror}") from error


def request_body(modelfile: Modelfile, directory: Path, upload: Callable[[SourceFile], str]) -> dict[str, Any]:
    """Return what ``/api/create`` is asked for a Modelfile in ``directory``, its files being on the server then."""
    body: dict[str, Any] = {}
    for command, field in _FILE_FIELDS:
        found: dict[str, str] = {}
        for text in modelfile.values(command):
            source = find_source(text, directory)
            if isinstance(source, Path):
                for file in model_files(source):
                    found[_unused(file.name, found)] = upload(file)
            elif source:
                found[_unused(source.replace(":", "-"), found)] = source
            elif command != "FROM":
                raise CommandError(f"{command} {text}: there is no such file")
            elif body.setdefault("from", text) != text:
                raise CommandError(f"FROM names two models: {body['from']} and {text}")
        if found:
            body[field] = found
    body |= {name.lower(): modelfile.last(name) for name in _TEXT_FIELDS if modelfile.values(name)}
    lists: Mapping[str, Any] = {
        "license": list(modelfile.values("LICENSE")),
        "parameters": modelfile.parameters,
        "messages": list(modelfile.messages),
    }
    return body | {name: value for name, value in lists.items() if value}


def _unused(name: str, taken: Mapping[str, str]) -> str:
    """Return ``name``, in a directory of its own where another file has it already."""
    if name not in taken:
        return name
    return next(option for number in range(2, len(taken) + 3) if (option := f"{number}/{name}") not in taken)
