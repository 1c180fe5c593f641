"""Push and pull against docker-registry, without faults."""

import asyncio
import json
import math
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.models.registry.conftest import OPTIONS, add_model
from tests.models.registry.servers import Faults, faulty_proxy
from tests.models.registry.weights import random_weights, weights

from puna.errors import BadRequestError, ModelNotFoundError
from puna.models.atomic import WHOLE
from puna.models.library import Library
from puna.models.registry.arriving import arriving
from puna.models.registry.errors import (
    AccessDeniedError,
    InsecureProtocolError,
    ManifestNotFoundError,
    RegistryNotAllowedError,
    TransientError,
)
from puna.models.registry.partial import PartialBlob
from puna.models.store import digest_bytes
from puna.names import parse_name

BLOB = random_weights(1, 300_000)


async def run(events) -> list[dict]:
    return [progress.to_json() async for progress in events]


def statuses(events: list[dict]) -> list[str]:
    return list(dict.fromkeys(event["status"] for event in events))


async def test_pushed_model_is_pulled_byte_for_byte(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/whole:1b"
    manifest = add_model(origin, name, BLOB, template=b"")
    pushed = await run(make_transfers(origin).pusher.push(name, insecure=True))
    assert pushed[0] == {"status": "retrieving manifest"}
    assert statuses(pushed)[-2:] == ["pushing manifest", "success"]
    pulled = await run(make_transfers(library).puller.pull(name, insecure=True))
    assert pulled[0] == {"status": "pulling manifest"}
    assert statuses(pulled)[-3:] == ["verifying sha256 digest", "writing manifest", "success"]
    assert library.manifests.read(parse_name(name)).raw == manifest.raw
    for layer in manifest.layers:
        assert library.blobs.path(layer.digest).read_bytes() == origin.blobs.path(layer.digest).read_bytes()
    assert list((library.root / "puna" / "partial").iterdir()) == []


async def test_what_comes_is_written_in_whole_large_pages(
    registry, origin, library, make_transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, blob = f"{registry}/ana/pages", random_weights(1, 5_000_000)
    add_model(origin, name, blob)
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    ends: list[int] = []
    write = PartialBlob._write

    def noted(partial: PartialBlob, offset: int, data: bytes, crc: int) -> int:
        if partial.record.size == len(blob):
            ends.append(offset + len(data))
        return write(partial, offset, data, crc)

    monkeypatch.setattr(PartialBlob, "_write", noted)
    monkeypatch.setattr("puna.models.registry.arriving.MOST_SECONDS", math.inf)
    options = replace(OPTIONS, part_size=2 * WHOLE)
    await run(make_transfers(library, options).puller.pull(name, insecure=True))
    assert sorted(ends) == [WHOLE, 2 * WHOLE, len(blob)]


async def test_what_came_before_a_stream_broke_is_kept() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise TransientError("it broke")

    class Stream:
        readany = broken().__anext__

    came = []
    with pytest.raises(TransientError):
        async for data in arriving(Stream(), 100, 200):
            came.append(data)
    assert came == [b"some"]


async def test_progress_of_a_blob_has_ollamas_fields(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/fields"
    digest = add_model(origin, name, BLOB).layers[0].digest
    pushed = await run(make_transfers(origin).pusher.push(name, insecure=True))
    pulled = await run(make_transfers(library).puller.pull(name, insecure=True))
    for verb, events in (("pushing", pushed), ("pulling", pulled)):
        of_blob = [event for event in events if event.get("digest") == digest]
        assert of_blob[-1] == {
            "status": f"{verb} {digest[7:19]}",
            "digest": digest,
            "total": len(BLOB),
            "completed": len(BLOB),
        }
        counts = [event.get("completed", 0) for event in of_blob]
        assert counts == sorted(counts)


async def test_second_pull_fetches_nothing(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/twice"
    add_model(origin, name, BLOB)
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        puller = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller
        await run(puller.pull(name))
        before = faults.received
        await run(puller.pull(name))
        assert before > len(BLOB)
        assert faults.received - before < 5_000


async def test_pull_over_a_corrupt_blob_mends_it(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/corrupt"
    digest = add_model(origin, name, BLOB).layers[0].digest
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    puller = make_transfers(library).puller
    await run(puller.pull(name, insecure=True))
    path = library.blobs.path(digest)
    path.write_bytes(bytes(len(BLOB)))
    events = await run(puller.pull(name, insecure=True))
    assert statuses(events)[-1] == "success"
    assert path.read_bytes() == BLOB
    assert not (library.root / "quarantine" / path.name).exists()


async def test_corrupt_blob_of_another_program_is_found(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/foreign"
    digest = add_model(origin, name, BLOB).layers[0].digest
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    path = library.blobs.path_for_write(digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(len(BLOB)))
    await run(make_transfers(library).puller.pull(name, insecure=True))
    assert path.read_bytes() == BLOB


async def test_only_the_damaged_part_is_fetched_again(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/one-part"
    digest = add_model(origin, name, BLOB).layers[0].digest
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        puller = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller
        await run(puller.pull(name))
        path = library.blobs.path(digest)
        with path.open("r+b") as file:
            file.seek(150_000)
            file.write(b"damage")
        before = faults.received
        await run(puller.pull(name))
    assert path.read_bytes() == BLOB
    assert 65536 <= faults.received - before < 65536 + 5_000


async def test_two_pulls_share_the_work(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/shared"
    add_model(origin, name, BLOB)
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        puller = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller
        results = await asyncio.gather(*(run(puller.pull(name)) for _ in range(5)))
    assert all(statuses(events)[-1] == "success" for events in results)
    assert faults.received < len(BLOB) + 10_000


async def test_two_models_share_a_blob(registry, origin, library, make_transfers) -> None:
    names = [f"{registry}/ana/half-{number}" for number in range(2)]
    for number, name in enumerate(names):
        add_model(origin, name, BLOB, template=str(number).encode())
        await run(make_transfers(origin).pusher.push(name, insecure=True))
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        puller = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller
        await asyncio.gather(*(run(puller.pull(name)) for name in names))
    assert faults.received < len(BLOB) + 15_000


async def test_a_client_that_leaves_does_not_end_a_pull_that_another_waits_for(
    registry, origin, library, make_transfers
) -> None:
    name = f"{registry}/ana/leaving"
    add_model(origin, name, BLOB)
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    puller = make_transfers(library).puller
    staying = asyncio.ensure_future(run(puller.pull(name, insecure=True)))
    leaving = puller.pull(name, insecure=True)
    await anext(leaving)
    await leaving.aclose()
    assert statuses(await staying)[-1] == "success"


async def test_a_pull_that_nobody_waits_for_ends_and_can_be_resumed(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/abandoned"
    digest = add_model(origin, name, BLOB).layers[0].digest
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    async with faulty_proxy(registry, Faults(stall=1.0, reach=200_000, seed=4)) as proxy:
        events = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller.pull(name)
        async for progress in events:
            if progress.completed > 60_000:
                break
        await events.aclose()
    assert not library.blobs.has(digest)
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        await run(make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}").puller.pull(name))
    assert library.blobs.path(digest).read_bytes() == BLOB
    assert faults.received < len(BLOB) - 50_000


async def test_push_skips_what_the_registry_has(registry, origin, make_transfers) -> None:
    name = f"{registry}/ana/skip"
    add_model(origin, name, BLOB)
    pusher = make_transfers(origin).pusher
    await run(pusher.push(name, insecure=True))
    events = await run(pusher.push(name, insecure=True))
    of_blob = [event for event in events if event.get("total") == len(BLOB)]
    assert [event["completed"] for event in of_blob] == [len(BLOB)]


async def test_push_mounts_a_blob_of_another_repository(registry, origin, make_transfers) -> None:
    first, second = f"{registry}/ana/source", f"{registry}/ana/mounted"
    blob = random_weights(2, 200_000)
    add_model(origin, first, blob)
    pusher = make_transfers(origin).pusher
    await run(pusher.push(first, insecure=True))
    add_model(origin, second, blob)
    events = await run(pusher.push(second, insecure=True))
    assert [event["completed"] for event in events if event.get("total") == len(blob)] == [len(blob)]
    with urllib.request.urlopen(f"http://{registry}/v2/ana/mounted/blobs/{digest_bytes(blob)}") as response:
        assert response.read() == blob


async def test_deleted_model_is_not_found(registry, library, make_transfers) -> None:
    with pytest.raises(ManifestNotFoundError, match="pull model manifest: file does not exist"):
        await run(make_transfers(library).puller.pull(f"{registry}/ana/nothing", insecure=True))


async def test_pushing_a_model_that_is_not_here(registry, library, make_transfers) -> None:
    with pytest.raises(ModelNotFoundError):
        await run(make_transfers(library).pusher.push(f"{registry}/ana/nothing", insecure=True))


async def test_plain_http_needs_insecure(registry, library, make_transfers) -> None:
    puller = make_transfers(library).puller
    with pytest.raises(InsecureProtocolError, match="insecure protocol http"):
        puller.pull(f"http://{registry}/ana/model")


@pytest.mark.parametrize("text", ["", "../x", "ftp://host/a/b", "a@b/c/d", "host:99999999/a/b"])
async def test_bad_names(text, library, make_transfers) -> None:
    with pytest.raises(BadRequestError):
        await run(make_transfers(library).puller.pull(text))


async def test_only_allowed_registries(library, make_transfers) -> None:
    puller = make_transfers(library, PUNA_ALLOWED_REGISTRIES="registry.ollama.ai, lan:5000").puller
    with pytest.raises(RegistryNotAllowedError, match=r"registry evil\.example is not among"):
        puller.pull("evil.example/a/b")
    with pytest.raises(RegistryNotAllowedError, match="registry lan is not among"):
        puller.pull("lan/a/b")


async def test_plan_says_what_would_be_fetched(registry, origin, library, make_transfers) -> None:
    name = f"{registry}/ana/plan"
    manifest = add_model(origin, name, BLOB)
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    puller = make_transfers(library).puller
    plan = await puller.plan(name, insecure=True)
    assert (plan.is_new, plan.is_current, plan.total, plan.fetched) == (True, False, manifest.size, manifest.size)
    await run(puller.pull(name, insecure=True))
    plan = await puller.plan(name, insecure=True)
    assert (plan.is_new, plan.is_current, plan.fetched) == (False, True, 0)
    add_model(origin, name, BLOB, weights(b"more" * 1000))
    await run(make_transfers(origin).pusher.push(name, insecure=True))
    plan = await puller.plan(name, insecure=True)
    assert (plan.is_new, plan.is_current, plan.fetched) == (False, False, 4000)
    json.dumps(plan.to_json())


async def test_no_registry_is_asked_for_what_was_made_here(registry, origin, library, make_transfers) -> None:
    pulled, copied, pushed, lost = (f"{registry}/ana/{name}:latest" for name in ("pulled", "copied", "pushed", "lost"))
    add_model(origin, pulled, BLOB)
    await run(make_transfers(origin).pusher.push(pulled, insecure=True))
    faults = Faults()
    async with faulty_proxy(registry, faults) as proxy:
        transfers = make_transfers(library, PUNA_MIRRORS=f"{registry}=http://{proxy}")
        await run(transfers.puller.pull(pulled))
        for name in (copied, pushed, lost):
            library.copy(parse_name(pulled), parse_name(name))
        library.made_here.remove(parse_name(lost))
        await run(transfers.pusher.push(pushed, insecure=True))
        plans = {str(plan.name): plan.to_json() for plan in await transfers.puller.plan_all()}
    assert plans[copied] == {"model": copied, "unknown": True, "error": "it was made here"}
    assert plans[lost] == {"model": lost, "unknown": True, "error": "it is not in a registry"}
    assert [plans[name]["current"] for name in (pulled, pushed)] == [True, True]
    assert not library.made_here.has(parse_name(pushed)), "it has a registry now"


async def test_pushing_the_built_in_model(tmp_path, make_transfers) -> None:
    with pytest.raises(BadRequestError, match="part of Puna; copy it to a name of your own"):
        await run(make_transfers(Library(tmp_path / "models")).pusher.push("cria"))


class TestCredentials:
    """The registry with a password."""

    async def test_without_credentials(self, private_registry, library, make_transfers) -> None:
        with pytest.raises(AccessDeniedError, match="wants credentials"):
            await run(make_transfers(library).puller.pull(f"{private_registry}/ana/x", insecure=True))

    async def test_wrong_password(self, private_registry, library, make_transfers) -> None:
        with pytest.raises(AccessDeniedError, match="401"):
            await run(make_transfers(library).puller.pull(f"http://ana:no@{private_registry}/ana/x", insecure=True))

    @pytest.mark.parametrize("way", ["reference", "setting", "docker"])
    async def test_round_trip(self, way, private_registry, origin, library, make_transfers, home) -> None:
        name = f"{private_registry}/ana/secret"
        add_model(origin, name, BLOB, weights(way.encode()))
        env, text = {}, name
        if way == "reference":
            text = f"http://ana:se:cret@{name}"
        elif way == "setting":
            env = {"PUNA_REGISTRY_AUTH": f"{private_registry}=ana:se:cret"}
        else:
            (home / ".docker").mkdir(parents=True)
            config = {"auths": {private_registry: {"auth": "YW5hOnNlOmNyZXQ="}}}
            (home / ".docker" / "config.json").write_text(json.dumps(config))
        await run(make_transfers(origin, **env).pusher.push(text, insecure=True))
        await run(make_transfers(library, **env).puller.pull(text, insecure=True))
        assert library.manifests.read(parse_name(name)).raw == origin.manifests.read(parse_name(name)).raw
