"""Compare a pull over loopback with ``curl`` followed by ``sha256sum``.

    python bench/pull_throughput.py [--mib 1024] [--rounds 3] [--directory DIR]

Starts docker-registry on a free port with one blob of random bytes, and fetches it in turn with ``curl`` into a file
that ``sha256sum`` then reads, and with Puna. Prints seconds and the ratio of the best of each; the target is 0.9.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.models.registry.conftest import add_model
from tests.models.registry.servers import docker_registry

from puna.models.library import Library
from puna.models.registry.identity import Identity
from puna.models.registry.options import TransferOptions
from puna.models.registry.transfers import Transfers
from puna.settings import Settings


async def push(address: str, root: Path, mib: int) -> str:
    """Push a model of ``mib`` MiB and return the digest of its blob."""
    library = Library(root / "origin")
    name = f"{address}/bench/model"
    manifest = add_model(library, name, os.urandom(mib << 20))
    transfers = Transfers(Settings.from_env({}), library, identity=Identity(root / "key"))
    async for _ in transfers.pusher.push(name, insecure=True):
        pass
    await transfers.close()
    shutil.rmtree(root / "origin")
    return manifest.layers[0].digest


def with_curl(url: str, path: Path, sync: bool) -> float:
    """Return the seconds that curl and sha256sum take one after the other."""
    begin = time.perf_counter()
    subprocess.run(["curl", "-sf", "-o", path, url], check=True)
    subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)
    if sync:
        subprocess.run(["sync", path], check=True)
    seconds = time.perf_counter() - begin
    path.unlink()
    return seconds


def with_puna(address: str, root: Path) -> float:
    """Return the seconds of a pull into an empty store."""

    async def pull() -> float:
        transfers = Transfers(
            Settings.from_env({}), Library(root / "here"), options=TransferOptions(), identity=Identity(root / "key")
        )
        begin = time.perf_counter()
        async for _ in transfers.puller.pull(f"{address}/bench/model", insecure=True):
            pass
        seconds = time.perf_counter() - begin
        await transfers.close()
        return seconds

    seconds = asyncio.run(pull())
    shutil.rmtree(root / "here")
    return seconds


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument("--sync", action="store_true", help="count the writing to disk for curl too, as a pull does")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        root = Path(directory)
        with docker_registry(root) as address:
            digest = asyncio.run(push(address, root, arguments.mib))
            url = f"http://{address}/v2/bench/model/blobs/{digest}"
            curl, puna = [], []
            for _ in range(arguments.rounds):
                curl.append(with_curl(url, root / "file", arguments.sync))
                puna.append(with_puna(address, root))
                print(f"curl + sha256sum {curl[-1]:.2f} s, puna {puna[-1]:.2f} s")
            print(f"ratio of the best: {min(curl) / min(puna):.2f}")


if __name__ == "__main__":
    main()
