"""A registry for the whole session, libraries in temporary directories, and models in them."""

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.models.registry.servers import docker_registry
from tests.system import require

from puna.models.library import Library
from puna.models.loadable import LoadCheck, anything
from puna.models.manifests import CONFIG_TYPE, MODEL, TEMPLATE, Layer, Manifest, make_manifest
from puna.models.registry.identity import Identity
from puna.models.registry.options import TransferOptions
from puna.models.registry.transfers import Transfers
from puna.names import parse_name
from puna.settings import Settings

OPTIONS = TransferOptions(
    part_size=64 * 1024,
    connections=4,
    chunk_size=96 * 1024,
    stall_timeout=10.0,
    attempts=8,
    first_delay=0.01,
    longest_delay=0.05,
    checkpoint_interval=0.02,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own keys and logins out of the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return ``host:port`` of a registry without authentication."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="session")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return ``host:port`` of a registry that wants the user ``ana`` with the password ``se:cret``."""
    directory = tmp_path_factory.mktemp("private")
    users = directory / "htpasswd"
    users.write_bytes(subprocess.run([require("htpasswd"), "-Bbn", "ana", "se:cret"], capture_output=True).stdout)
    with docker_registry(directory, f"auth: {{htpasswd: {{realm: tests, path: {users}}}}}\n") as address:
        yield address


MakeTransfers = Callable[..., Transfers]


@pytest.fixture
async def make_transfers(tmp_path: Path) -> AsyncIterator[MakeTransfers]:
    """Return a function that makes the transfers of a library, with settings from keyword arguments."""
    made: list[Transfers] = []

    def make(
        library: Library, options: TransferOptions = OPTIONS, load_check: LoadCheck = anything, **env: str
    ) -> Transfers:
        settings, identity = Settings.from_env(env), Identity(tmp_path / "id_ed25519")
        transfers = Transfers(settings, library, options=options, identity=identity, load_check=load_check)
        made.append(transfers)
        return transfers

    yield make
    for transfers in made:
        await transfers.close()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Return an empty library."""
    return Library(tmp_path / "models", hide_builtin=True)


@pytest.fixture
def origin(tmp_path: Path) -> Library:
    """Return another empty library, for models that are pushed."""
    return Library(tmp_path / "origin", hide_builtin=True)


def add_model(library: Library, name: str, *blobs: bytes, template: bytes = b"{{ .Prompt }}") -> Manifest:
    """Store a model whose model layers are ``blobs``."""
    layers = [Layer(MODEL, library.blobs.add(data), len(data)) for data in blobs]
    layers.append(Layer(TEMPLATE, library.blobs.add(template), len(template)))
    config = b'{"model_format":"gguf"}'
    manifest = make_manifest(Layer(CONFIG_TYPE, library.blobs.add(config), len(config)), tuple(layers))
    library.manifests.write(parse_name(name), manifest)
    return manifest
