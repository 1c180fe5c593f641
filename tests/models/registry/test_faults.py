"""Pulls and pushes through a network that drops, stalls, corrupts and truncates."""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.registry.conftest import OPTIONS, add_model
from tests.models.registry.servers import Faults, faulty_proxy
from tests.models.registry.test_transfers import run, statuses
from tests.models.registry.weights import random_weights, weights

from puna.models.library import Library
from puna.models.registry.errors import RegistryError
from puna.models.store import digest_bytes
from puna.names import parse_name

PULLS = int(os.environ.get("PUNA_TEST_PULLS", "20"))
"""How many pulls go through all faults at once."""
BLOB = random_weights(5, 1_000_000)


async def push(registry: str, origin: Library, make_transfers, name: str, *blobs: bytes) -> str:
    full = f"{registry}/faults/{name}"
    add_model(origin, full, *blobs)
    await run(make_transfers(origin).pusher.push(full, insecure=True))
    return full


@pytest.mark.parametrize("kind", ["drop", "stall", "corrupt", "truncate"])
async def test_one_kind_of_fault(kind, registry, origin, library, make_transfers) -> None:
    name = await push(registry, origin, make_transfers, kind, BLOB)
    options = replace(OPTIONS, stall_timeout=0.2, attempts=30)
    faults = Faults(**{kind: 0.3}, reach=60_000, seed=3)
    async with faulty_proxy(registry, faults) as proxy:
        puller = make_transfers(library, options, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller
        for _ in range(20):
            with contextlib.suppress(RegistryError):
                await run(puller.pull(name))
                break
    assert faults.counts.get(kind, 0) > 0
    assert library.blobs.path(digest_bytes(BLOB)).read_bytes() == BLOB


async def test_pulls_through_all_faults_end_verified_or_with_a_clear_error(
    registry, origin, tmp_path, make_transfers
) -> None:
    names = [await push(registry, origin, make_transfers, f"many-{n}", weights(BLOB[n * 1000 :])) for n in range(4)]
    outcome = await pull_with_faults(registry, names, PULLS, tmp_path, make_transfers)
    print(outcome)
    assert outcome["verified"] == PULLS
    assert outcome["faults"] >= PULLS


async def pull_with_faults(registry: str, names: list[str], pulls: int, tmp_path: Path, make_transfers) -> dict:
    """Pull ``pulls`` times, each into an empty store and again after an error; count how they end."""
    options = replace(OPTIONS, stall_timeout=0.15, attempts=5)
    outcome = {"verified": 0, "errors": 0, "faults": 0}
    for number in range(pulls):
        library = Library(tmp_path / f"faulty-{number}")
        name = names[number % len(names)]
        faults = Faults(drop=0.1, stall=0.04, corrupt=0.06, truncate=0.1, reach=60_000, seed=number)
        async with faulty_proxy(registry, faults) as proxy:
            transfers = make_transfers(library, options, PUNA_MIRRORS=f"{registry}=http://{proxy}")
            for _ in range(10):
                try:
                    await run(transfers.puller.pull(name))
                except RegistryError as error:
                    assert str(error)
                    outcome["errors"] += 1
                else:
                    break
            await transfers.close()
        manifest = library.manifests.read(parse_name(name))
        for layer in (*manifest.layers, manifest.config):
            assert digest_bytes(library.blobs.path(layer.digest).read_bytes()) == layer.digest
        outcome["verified"] += 1
        outcome["faults"] += sum(faults.counts.values())
    return outcome


async def test_a_damaged_part_does_not_cost_the_whole_blob(registry, origin, library, make_transfers) -> None:
    blob = random_weights(6, 4_000_000)
    name = await push(registry, origin, make_transfers, "cheap", blob)
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        transfers = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}")
        events = transfers.puller.pull(name)
        async for progress in events:
            if progress.completed > 1_000_000:
                break
        await events.aclose()
        partial = library.root / "puna" / "partial" / library.blobs.path_for_write(digest_bytes(blob)).name
        with partial.open("r+b") as file:
            file.seek(600_000)
            file.write(b"disk damage")
        before = faults.received
        await run(transfers.puller.pull(name))
    assert faults.received - before < len(blob) - 1_000_000 + 4 * 65536 + 20_000
    assert library.blobs.path(digest_bytes(blob)).read_bytes() == blob


_CHILD = """
import asyncio, sys
from pathlib import Path
from puna.models.registry.transfers import Transfers
from puna.models.library import Library
from tests.models.registry.conftest import OPTIONS
from puna.settings import Settings

async def main():
    transfers = Transfers(Settings.from_env(), Library(Path(sys.argv[1])), options=OPTIONS)
    async for progress in transfers.puller.pull(sys.argv[2]):
        print(progress.completed, flush=True)

asyncio.run(main())
"""


async def test_a_killed_process_is_resumed_from(registry, origin, library, make_transfers) -> None:
    blob = random_weights(7, 3_000_000)
    name = await push(registry, origin, make_transfers, "killed", blob)
    async with faulty_proxy(registry, Faults(stall=1.0, reach=1_000_000, seed=1)) as proxy:
        env = {
            **os.environ,
            "PUNA_MIRRORS": f"{registry}=http://{proxy}",
            "PYTHONPATH": ":".join(["src", ".", *sys.path]),
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CHILD, str(library.root), name, stdout=asyncio.subprocess.PIPE, env=env
        )
        async for line in child.stdout:
            if int(line) > 300_000:
                break
        await asyncio.sleep(0.1)
        child.send_signal(signal.SIGKILL)
        await child.wait()
        child._transport.close()
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        events = await run(make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller.pull(name))
    assert statuses(events)[-1] == "success"
    assert library.blobs.path(digest_bytes(blob)).read_bytes() == blob
    assert faults.received < len(blob) - 250_000


async def test_push_through_faults(registry, origin, make_transfers) -> None:
    name = f"{registry}/faults/pushed"
    blob = random_weights(8, 1_000_000)
    async with faulty_proxy(registry, Faults(drop=0.15, truncate=0.15, reach=600, seed=2)) as proxy:
        name = f"{proxy}/faults/pushed"
        add_model(origin, name, blob)
        for _ in range(20):
            with contextlib.suppress(RegistryError):
                await run(make_transfers(origin).pusher.push(name, insecure=True))
                break
    target = Library(origin.root.parent / "back")
    await run(make_transfers(target).puller.pull(f"{registry}/faults/pushed", insecure=True))
    assert target.blobs.path(digest_bytes(blob)).read_bytes() == blob
