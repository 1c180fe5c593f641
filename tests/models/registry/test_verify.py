"""Reading the store again, and mending it."""

import errno
import os
import time
from pathlib import Path

import pytest
from tests.models.registry.conftest import add_model
from tests.models.registry.servers import Faults, faulty_proxy
from tests.models.registry.test_transfers import run
from tests.models.registry.weights import random_weights

from puna.errors import BadRequestError, ModelNotFoundError
from puna.models.store import digest_bytes

BLOB = random_weights(21, 300_000)


async def report_of(running) -> dict:
    events = [event async for event in running.progress()]
    assert all(event.digest for event in events)
    return running.report.to_json()


@pytest.fixture
async def pulled(registry, origin, library, make_transfers):
    """Return the transfers of a library with one pulled model, its name, and the path of its blob."""
    name = f"{registry}/verify/model"
    add_model(origin, name, BLOB)
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    transfers = make_transfers(library)
    await run(transfers.puller.pull(name, insecure=True))
    return transfers, name, library.blobs.path(digest_bytes(BLOB))


def damage(path, offset: int = 150_000) -> None:
    """Change some bytes as a failing disk does: without a trace in the file's times."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"damage")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


async def test_a_whole_store(pulled) -> None:
    transfers, name, _ = pulled
    report = await report_of(transfers.verifier.verify())
    assert (report["ok"], report["checked"], report["findings"]) == (True, 3, [])
    assert (await report_of(transfers.verifier.verify(name)))["checked"] == 3


async def test_damage_is_found_and_narrowed_down(pulled) -> None:
    transfers, name, path = pulled
    damage(path)
    report = await report_of(transfers.verifier.verify())
    (finding,) = report["findings"]
    assert not report["ok"]
    assert finding.pop("note").startswith("its bytes hash to sha256:")
    assert finding == {
        "state": "damaged",
        "digest": digest_bytes(BLOB),
        "size": len(BLOB),
        "models": [f"{name}:latest"],
        "ranges": [{"offset": 131072, "size": 65536}],
    }
    assert path.exists()


async def test_repair_fetches_only_the_bad_range(pulled, registry, library, make_transfers) -> None:
    _, _, path = pulled
    damage(path)
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        verifier = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").verifier
        report = await report_of(verifier.repair())
    assert report["ok"]
    assert [(finding["state"], finding["digest"]) for finding in report["findings"]] == [
        ("repaired", digest_bytes(BLOB))
    ]
    assert path.read_bytes() == BLOB
    assert 65536 <= faults.received < 65536 + 5000
    assert list((library.root / "quarantine").iterdir()) == []


async def test_pull_after_verify_mends_too(pulled) -> None:
    transfers, name, path = pulled
    damage(path)
    await report_of(transfers.verifier.verify())
    await run(transfers.puller.pull(name, insecure=True))
    assert path.read_bytes() == BLOB


@pytest.mark.parametrize("change", ["short", "long", "missing", "empty", "unrecorded"])
async def test_other_damage_is_repaired(change, pulled, library) -> None:
    transfers, _, path = pulled
    if change == "short":
        os.truncate(path, 200_000)
    elif change == "long":
        path.write_bytes(BLOB + b"more")
    elif change == "missing":
        path.unlink()
    elif change == "empty":
        os.truncate(path, 0)
    else:
        path.write_bytes(bytes(len(BLOB)))
        transfers.keeper.records.remove(digest_bytes(BLOB))
    report = await report_of(transfers.verifier.verify())
    assert [finding["state"] for finding in report["findings"]] == ["missing" if change == "missing" else "damaged"]
    report = await report_of(transfers.verifier.repair(insecure=True))
    assert [finding["state"] for finding in report["findings"]] == ["repaired"]
    assert path.read_bytes() == BLOB


async def test_what_no_registry_has_is_put_aside(library, make_transfers) -> None:
    manifest = add_model(library, "127.0.0.1:1/own/model", BLOB)
    path = library.blobs.path(manifest.layers[0].digest)
    damage(path)
    report = await report_of(make_transfers(library).verifier.repair(insecure=True))
    (finding,) = report["findings"]
    assert finding["state"] == "damaged"
    assert "127.0.0.1:1" in finding["note"]
    assert "quarantine" in finding["note"]
    assert not path.exists()
    assert (library.root / "quarantine" / path.name).exists()


async def test_unused_blobs_are_reported_and_removed_on_request(library, make_transfers) -> None:
    add_model(library, "ana/model", BLOB)
    old, new = library.blobs.add(b"old"), library.blobs.add(b"new")
    os.utime(library.blobs.path(old), (time.time() - 3600,) * 2)
    transfers = make_transfers(library)
    transfers.keeper.partials.mkdir(parents=True)
    partial = transfers.keeper.partials / library.blobs.path(old).name
    partial.write_bytes(b"o")
    report = await report_of(transfers.verifier.verify())
    assert report["ok"]
    assert [finding["state"] for finding in report["findings"]] == ["orphaned", "orphaned", "partial"]
    assert library.blobs.has(old)
    await report_of(transfers.verifier.verify(prune=True))
    assert not library.blobs.has(old)
    assert library.blobs.has(new)
    assert not partial.exists()


async def test_nothing_is_removed_while_a_model_cannot_be_read(library, make_transfers) -> None:
    old = library.blobs.add(b"old")
    os.utime(library.blobs.path(old), (time.time() - 3600,) * 2)
    broken = library.manifests.directory / "registry.ollama.ai" / "library" / "broken" / "latest"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"{")
    report = await report_of(make_transfers(library).verifier.verify(prune=True))
    assert not report["ok"]
    assert report["broken"][0]["model"] == "broken:latest"
    assert library.blobs.has(old)


async def test_records_go_with_their_blobs(pulled, library) -> None:
    transfers, name, _ = pulled
    records = transfers.keeper.records
    assert digest_bytes(BLOB) in records.digests()
    library.delete(library.get(name))
    assert records.digests() == []


async def test_records_of_what_another_program_removed_go(pulled, library, make_transfers) -> None:
    transfers, _, path = pulled
    records = transfers.keeper.records
    whole, partial, damaged = (
        digest_bytes(BLOB),
        *(digest for digest in records.digests() if digest != digest_bytes(BLOB)),
    )
    for digest, directory in ((partial, transfers.keeper.partials), (damaged, library.root / "quarantine")):
        directory.mkdir(exist_ok=True)
        library.blobs.path(digest).rename(directory / library.blobs.path(digest).name)
    make_transfers(library).clean()
    assert set(records.digests()) == {whole, partial, damaged}, "what is under way or put aside is remembered"
    path.unlink()
    make_transfers(library).clean()
    assert set(records.digests()) == {partial, damaged}


async def test_what_cannot_be_opened_is_not_called_damaged(pulled, monkeypatch) -> None:
    transfers, _, path = pulled
    opened = Path.open

    def refuse(self: Path, *more, **others):
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(self, *more, **others)

    monkeypatch.setattr(Path, "open", refuse)
    report = await report_of(transfers.verifier.repair(insecure=True))
    assert not report["ok"]
    assert [(finding["state"], finding["note"]) for finding in report["findings"]] == [
        ("unreadable", f"{path}: Permission denied")
    ]
    assert path.exists()


async def test_a_model_that_is_part_of_the_package_is_not_unknown(library, make_transfers, monkeypatch) -> None:
    monkeypatch.setattr(library, "is_builtin", lambda _: True)
    for check in (make_transfers(library).verifier.verify, make_transfers(library).verifier.repair):
        with pytest.raises(BadRequestError, match="part of Puna and not in the store"):
            await report_of(check("cria"))


async def test_unknown_model(library, make_transfers) -> None:
    with pytest.raises(ModelNotFoundError):
        await report_of(make_transfers(library).verifier.verify("nothing"))
