"""Answers that registries give when they are odd, broken or hostile."""

import asyncio
import json
import os
import random
import shutil
from collections import namedtuple
from dataclasses import replace

import pytest
from aiohttp import web
from tests.engine.checkpoint import write_checkpoint
from tests.models.create.tiny import write_gguf
from tests.models.registry.conftest import OPTIONS, add_model
from tests.models.registry.fake import CONFIG, FakeRegistry, error, serve
from tests.models.registry.servers import Faults, faulty_proxy
from tests.models.registry.test_transfers import run, statuses
from tests.models.registry.weights import random_weights, weights
from tests.mutants.parts import put_together, take_apart
from yarl import URL

from puna.engine.load_check import check_load
from puna.models.manifests import LICENSE, MODEL, BadManifestError
from puna.models.registry import partial
from puna.models.registry.errors import (
    BlobMissingError,
    ManifestNotFoundError,
    RegistryError,
    TransientError,
    UnverifiableBlobError,
)
from puna.models.registry.remote_manifest import check_manifest
from puna.models.registry.target import Target
from puna.models.storage import StorageError
from puna.models.store import digest_bytes
from puna.names import parse_name

BLOB = random_weights(9, 400_000)
TENSOR = "application/vnd.ollama.image.tensor"


@pytest.fixture
def fake() -> FakeRegistry:
    registry = FakeRegistry()
    registry.add(BLOB)
    return registry


async def pull(fake: FakeRegistry, library, make_transfers, options=OPTIONS, **env) -> list[dict]:
    async with serve(fake) as address:
        return await run(make_transfers(library, options, **env).puller.pull(f"{address}/a/b", insecure=True))


async def test_server_without_ranges(fake, library, make_transfers) -> None:
    fake.ranges = False
    await pull(fake, library, make_transfers)
    assert library.blobs.path(digest_bytes(BLOB)).read_bytes() == BLOB


async def test_pulls_of_one_model_ask_once(fake, library, make_transfers) -> None:
    async with serve(fake) as address:
        puller = make_transfers(library).puller
        await asyncio.gather(*(run(puller.pull(f"{address}/a/{name}", insecure=True)) for name in ("b", "B", "b")))
    assert sum("/manifests/" in seen.path for seen in fake.seen) == 1


async def test_server_that_always_lies(fake, library, make_transfers) -> None:
    fake.blobs[digest_bytes(BLOB)] = bytes(len(BLOB))
    with pytest.raises(UnverifiableBlobError, match="digest mismatch"):
        await pull(fake, library, make_transfers)
    assert not library.blobs.has(digest_bytes(BLOB))
    assert list((library.root / "puna" / "partial").iterdir()) == []
    assert len(fake.seen) < 30


async def test_manifest_that_names_one_digest_twice_is_verified_all_the_same(fake, library, make_transfers) -> None:
    body = json.loads(fake.manifest)
    body["layers"].append(body["config"])
    body["layers"][1]["mediaType"] = MODEL
    fake.manifest = json.dumps(body).encode()
    fake.blobs[digest_bytes(CONFIG)] = b"x" * len(CONFIG)
    with pytest.raises(UnverifiableBlobError):
        await pull(fake, library, make_transfers)


async def test_blob_that_the_registry_lacks(fake, library, make_transfers) -> None:
    del fake.blobs[digest_bytes(BLOB)]
    with pytest.raises(BlobMissingError, match="does not have blob sha256:"):
        await pull(fake, library, make_transfers)


async def test_failed_refresh_keeps_the_old_model(fake, library, make_transfers) -> None:
    async with serve(fake) as address:
        puller = make_transfers(library).puller
        await run(puller.pull(f"{address}/a/b", insecure=True))
        old = fake.manifest
        fake.add(BLOB, weights(b"new"))
        del fake.blobs[digest_bytes(weights(b"new"))]
        with pytest.raises(BlobMissingError):
            await run(puller.pull(f"{address}/a/b", insecure=True))
        assert library.manifests.read(parse_name(f"{address}/a/b")).raw == old
    assert library.blobs.path(digest_bytes(BLOB)).read_bytes() == BLOB


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (500, TransientError, "pull model manifest: 500: broken"),
        (403, RegistryError, "pull model manifest: 403: broken"),
        (418, RegistryError, "pull model manifest: 418: broken"),
    ],
)
async def test_errors_tell_what_the_registry_said(status, kind, text, fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.Response:
        return error(status, "broken")

    fake.handler = handler
    with pytest.raises(kind, match=text):
        await pull(fake, library, make_transfers)


async def test_an_error_that_passes_is_tried_again(fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.Response:
        if len(fake.seen) % 3 == 1:
            return error(503, "busy", **{"Retry-After": "0"})
        raise NotImplementedError

    fake.handler = handler
    assert statuses(await pull(fake, library, make_transfers))[-1] == "success"


@pytest.mark.parametrize("location", ["http://127.0.0.1:x/", "file:///etc/passwd", "gopher://a/"])
async def test_invalid_redirects(location, fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": location})

    fake.handler = handler
    with pytest.raises(RegistryError, match="redirects to an invalid address"):
        await pull(fake, library, make_transfers)


async def test_redirects_in_circles(fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": str(request.url)})

    fake.handler = handler
    with pytest.raises(RegistryError, match="redirects in circles"):
        await pull(fake, library, make_transfers)


async def test_another_range_than_asked_for(fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "/blobs/" in request.path and "Range" in request.headers:
            return web.Response(body=b"x" * 65536, status=206, headers={"Content-Range": "bytes 7-65542/400000"})
        raise NotImplementedError

    fake.handler = handler
    with pytest.raises(TransientError, match="another range"):
        await pull(fake, library, make_transfers)


async def test_endless_manifest(fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    fake.handler = handler
    with pytest.raises(RegistryError, match="where few are expected"):
        await pull(fake, library, make_transfers)


async def test_endless_blob(fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path.endswith(digest_bytes(CONFIG)):
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(CONFIG)
            while True:
                await response.write(b" " * 65536)
        raise NotImplementedError

    fake.handler = handler
    await pull(fake, library, make_transfers)


async def test_no_login_of_the_servers_user_is_sent(fake, library, make_transfers, tmp_path, monkeypatch) -> None:
    (tmp_path / "netrc").write_text("default login ana password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    await pull(fake, library, make_transfers)
    assert {request.headers.get("Authorization") for request in fake.seen} == {None}


async def test_a_chunk_that_is_none_breaks_the_connection(fake, library, make_transfers) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await asyncio.sleep(0.05)
        request.transport.write(b"5\r\nhelloZZZZ\r\n")
        request.transport.close()
        return response

    fake.handler = answer
    async with serve(fake) as address:
        target = Target(parse_name(f"{address}/a/b"), URL(f"http://{address}"), guarded=False)
        with pytest.raises(TransientError, match="Connection closed"):
            async with make_transfers(library).puller._api.http.request("GET", target.base, target) as response:
                assert await response.content.readany() == b"hello"
                await asyncio.sleep(0.05)  # as long as it takes to write them
                await response.content.readany()


async def test_manifest_with_another_digest_than_its_header_says(fake, library, make_transfers) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "/manifests/" in request.path:
            stated = digest_bytes(b"other" if len(fake.seen) == 1 else fake.manifest)
            return web.Response(body=fake.manifest, headers={"Docker-Content-Digest": stated})
        raise NotImplementedError

    fake.handler = handler
    assert statuses(await pull(fake, library, make_transfers))[-1] == "success"


def manifest_with(**changes: object) -> bytes:
    body = {
        "schemaVersion": 2,
        "config": {"mediaType": "c", "digest": digest_bytes(b"c"), "size": 1},
        "layers": [{"mediaType": MODEL, "digest": digest_bytes(b"m"), "size": 1}],
    }
    return json.dumps(body | changes).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{" * 100_000,
        manifest_with(schemaVersion=1),
        manifest_with(mediaType="application/vnd.oci.image.index.v1+json"),
        manifest_with(config=None),
        manifest_with(config={"digest": "sha256:../../etc/passwd", "size": 1}),
        manifest_with(config={"digest": digest_bytes(b"c"), "size": 1 << 30}),
        manifest_with(layers=[{"mediaType": "application/vnd.docker.x", "digest": digest_bytes(b"m"), "size": 1}]),
        manifest_with(layers=[{"mediaType": MODEL, "digest": digest_bytes(b"m"), "size": -1}]),
        manifest_with(layers=[{"mediaType": MODEL, "digest": digest_bytes(b"m"), "size": 0}]),
        manifest_with(layers=[{"mediaType": MODEL, "digest": digest_bytes(b"m"), "size": 1 << 60}]),
        manifest_with(layers=[{"mediaType": MODEL, "digest": digest_bytes(b"m"), "size": True}]),
        manifest_with(layers=[{"mediaType": MODEL, "digest": digest_bytes(b"c"), "size": 2}]),
        manifest_with(layers=[{"mediaType": MODEL, "digest": digest_bytes(b"m"), "size": 1}] * 30_000),
        manifest_with(layers=[]),
        manifest_with(layers=[{"mediaType": LICENSE, "digest": digest_bytes(b"m"), "size": 1}]),
        manifest_with(layers=[{"mediaType": TENSOR, "digest": digest_bytes(b"m"), "size": 1}]),
        manifest_with(layers={"a": 1}),
        manifest_with(layers=7),
    ],
    ids=range(20),
)  # fmt: skip
def test_manifests_that_lie(raw) -> None:
    with pytest.raises(BadManifestError):
        check_manifest(raw)


def test_mutated_manifests_are_refused_or_sound() -> None:
    chance, good = random.Random(0), manifest_with()
    for _ in range(3000):
        raw = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        try:
            manifest = check_manifest(bytes(raw))
        except BadManifestError:
            continue
        assert manifest.size >= 0


async def test_what_is_no_model_is_refused_and_removed(fake, library, make_transfers) -> None:
    fake.add(b"A" * 1000)
    with pytest.raises(BadManifestError, match="not a model that can be run here"):
        await pull(fake, library, make_transfers)
    assert list(library.manifests.names()) == []
    assert list(library.blobs.digests()) == []


async def test_a_manifest_of_many_layers_is_refused_before_any_is_asked_for(fake, library, make_transfers) -> None:
    layers = [{"mediaType": MODEL, "digest": digest_bytes(str(n).encode()), "size": 1} for n in range(10_000)]
    fake.manifest = manifest_with(layers=layers)
    with pytest.raises(BadManifestError, match="more than 2048 layers"):
        await pull(fake, library, make_transfers)
    assert len(fake.seen) == 1


class TestDisk:
    """Disks that are full or may not be written."""

    async def test_too_little_space_is_seen_before_anything_is_fetched(
        self, fake, library, make_transfers, monkeypatch
    ) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
        with pytest.raises(StorageError, match="not enough space") as caught:
            await pull(fake, library, make_transfers)
        assert caught.value.status == 507

    async def test_disk_that_fills_up_keeps_what_came(self, fake, library, make_transfers, monkeypatch) -> None:
        real, written = os.pwrite, 0

        def filling(descriptor: int, data: bytes, offset: int) -> int:
            nonlocal written
            written += len(data)
            if written > 200_000:
                raise OSError(28, "No space left on device")
            return real(descriptor, data, offset)

        with monkeypatch.context() as patch:
            patch.setattr(partial.os, "pwrite", filling)
            with pytest.raises(StorageError, match=r"no space left in .*it will resume") as caught:
                await pull(fake, library, make_transfers)
            assert caught.value.status == 507
        fetched: list[web.Request] = fake.seen
        before = len(fetched)
        await pull(fake, library, make_transfers)
        asked = sum(r.http_range.stop - r.http_range.start for r in fetched[before:] if "Range" in r.headers)
        assert 0 < asked < len(BLOB)
        assert library.blobs.path(digest_bytes(BLOB)).read_bytes() == BLOB

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    async def test_directory_that_may_not_be_written(self, fake, library, make_transfers) -> None:
        library.root.mkdir(mode=0o500)
        with pytest.raises(StorageError, match="cannot be written"):
            await pull(fake, library, make_transfers)

    async def test_file_in_place_of_a_directory(self, fake, library, make_transfers) -> None:
        library.root.mkdir()
        (library.root / "puna").write_bytes(b"")
        with pytest.raises(StorageError):
            await pull(fake, library, make_transfers)


class TestHuggingFace:
    """Repositories whose model is split into several files."""

    def sharded(self, *shards: bytes) -> FakeRegistry:
        fake = FakeRegistry()
        fake.blobs = {f"M-Q4_K_M-{n + 1:05}-of-{len(shards):05}.gguf": data for n, data in enumerate(shards)}
        fake.blobs["M-Q8_0.gguf"] = b"single"

        async def handler(request: web.Request) -> web.Response:
            if "/manifests/" in request.path:
                return web.json_response({"error": "The specified tag is a sharded GGUF."}, status=400)
            if request.path == "/api/models/ana/model/tree/main":
                return web.json_response(
                    [{"type": "directory", "path": "Q4_K_M"}]
                    + [
                        {"path": f"Q4_K_M/{name}", "lfs": {"oid": digest_bytes(data)[7:], "size": len(data)}}
                        for name, data in reversed(fake.blobs.items())
                    ]
                )
            raise NotImplementedError

        fake.handler = handler
        return fake

    @pytest.mark.parametrize("tag", ["Q4_K_M", "q4_k_m", "latest"])
    async def test_shards_become_layers_in_order(self, tag, library, make_transfers) -> None:
        shards = [random_weights(n, 100_000) for n in range(3)]
        fake = self.sharded(*shards)
        async with serve(fake) as address:
            puller = make_transfers(library, PUNA_MIRRORS=f"hf.co=http://{address}").puller
            await run(puller.pull(f"hf.co/ana/model:{tag}"))
            assert "ollama" in fake.seen[0].headers["User-Agent"]
        manifest = library.manifests.read(parse_name(f"hf.co/ana/model:{tag}"))
        layers = manifest.of_type(MODEL)
        assert [library.blobs.path(layer.digest).read_bytes() for layer in layers] == shards
        assert library.blobs.read(manifest.config.digest).startswith(b'{"model_format":"gguf"')

    async def test_a_checkpoint_is_kept_as_it_is(self, library, make_transfers, tmp_path) -> None:
        source = write_checkpoint(tmp_path / "checkpoint")
        files = {path.name: path.read_bytes() for path in source.iterdir()}
        (weights,) = (name for name in files if name.endswith(".safetensors"))

        async def handler(request: web.Request) -> web.StreamResponse:
            if "/manifests/" in request.path:
                return web.json_response({"error": "Repository is not GGUF"}, status=400)
            if request.path.startswith("/api/models/"):
                listing = [{"type": "file", "path": name, "size": len(data)} for name, data in files.items()]
                listing.append({"type": "file", "path": ".gitattributes", "size": 1})
                next(entry for entry in listing if entry["path"] == weights)["lfs"] = {
                    "oid": digest_bytes(files[weights]).removeprefix("sha256:")
                }
                return web.json_response(listing)
            return web.Response(body=files[request.path.rpartition("/")[2]][request.http_range])

        fake = FakeRegistry(handler=handler)
        async with serve(fake) as address:
            puller = make_transfers(library, PUNA_MIRRORS=f"hf.co=http://{address}").puller
            assert statuses(await run(puller.pull("hf.co/ana/checkpoint")))[-1] == "success"
        model = library.get("hf.co/ana/checkpoint")
        assert (model.config.format, model.config.family, model.gguf.context_length) == ("safetensors", "llama", 1024)
        assert {path.name: path.read_bytes() for path in model.path.iterdir()} == files

    @pytest.mark.parametrize("tag", ["Q4_K", "Q5_0", "K_X"])
    async def test_no_shards_for_the_tag(self, tag, library, make_transfers) -> None:
        async with serve(self.sharded(b"a", b"b")) as address:
            puller = make_transfers(library, PUNA_MIRRORS=f"hf.co=http://{address}").puller
            with pytest.raises(ManifestNotFoundError):
                await run(puller.pull(f"hf.co/ana/model:{tag}"))


async def test_push_restarts_an_upload_that_the_registry_forgot(registry, origin, library, make_transfers) -> None:
    # docker-registry 2.8 forgets an upload when a chunk of it was interrupted.
    async with faulty_proxy(registry, Faults(slow=0.02)) as proxy:
        name = f"{proxy}/answers/forgotten"
        add_model(origin, name, BLOB)
        events = make_transfers(origin).pusher.push(name, insecure=True)
        async for progress in events:
            if 200_000 < progress.completed < len(BLOB):
                break
        await events.aclose()
        assert len(list((origin.root / "puna" / "uploads").iterdir())) == 1
        await run(make_transfers(origin).pusher.push(name, insecure=True))
        assert list((origin.root / "puna" / "uploads").iterdir()) == []
        await run(make_transfers(library).puller.pull(name, insecure=True))
    assert library.blobs.path(digest_bytes(BLOB)).read_bytes() == BLOB


class Uploads(FakeRegistry):
    """Takes uploads as the distribution specification says, and hangs up in the middle of some chunks."""

    def __init__(self, hang_up: set[int]) -> None:
        super().__init__(handler=self.take)
        self.received = bytearray()
        self.taken = 0
        self.hang_up = hang_up

    async def take(self, request: web.Request) -> web.StreamResponse:
        headers = {"Location": "/v2/a/b/blobs/uploads/1?part=x", "Range": f"0-{max(0, len(self.received) - 1)}"}
        if request.method == "HEAD":
            return web.Response(status=200 if request.path.rpartition("/")[2] != digest_bytes(BLOB) else 404)
        if request.method == "GET":
            return web.Response(status=204, headers=headers)
        if request.method == "POST":
            return web.Response(status=202, headers=headers)
        if request.method == "PATCH":
            return await self.chunk(request)
        if "/manifests/" not in request.path:
            assert request.query["digest"] == digest_bytes(bytes(self.received))
        return web.Response(status=201)

    async def chunk(self, request: web.Request) -> web.Response:
        if not request.headers["Content-Range"].startswith(f"{len(self.received)}-"):
            return web.Response(status=416)
        number = sum(seen.method == "PATCH" for seen in self.seen)
        while block := await request.content.read(10_000):
            self.received += block
            self.taken += len(block)
            if number in self.hang_up and len(self.received) % 3 == 0:
                request.transport.abort()
        return web.Response(
            status=202, headers={"Location": str(request.rel_url), "Range": f"0-{len(self.received) - 1}"}
        )


async def test_interrupted_chunks_go_on_where_the_registry_says(origin, make_transfers) -> None:
    fake = Uploads({1, 3})
    async with serve(fake) as address:
        name = f"{address}/a/b"
        add_model(origin, name, BLOB)
        events = await run(make_transfers(origin).pusher.push(name, insecure=True))
    assert statuses(events)[-1] == "success"
    assert bytes(fake.received) == BLOB
    assert fake.taken == len(BLOB)
    assert sum(seen.method == "GET" for seen in fake.seen) == 2


async def test_push_resumes_in_another_process(origin, make_transfers) -> None:
    fake = Uploads(set())
    async with serve(fake) as address:
        name = f"{address}/a/b"
        add_model(origin, name, BLOB)
        fake.hang_up = set(range(2, 100))
        with pytest.raises(TransientError):
            await run(make_transfers(origin, replace(OPTIONS, attempts=1)).pusher.push(name, insecure=True))
        fake.hang_up = set()
        before = len(fake.received)
        assert 0 < before < len(BLOB)
        await run(make_transfers(origin).pusher.push(name, insecure=True))
    assert fake.taken == len(BLOB)


async def test_a_model_that_the_engine_cannot_load_is_kept_with_a_warning(library, make_transfers, tmp_path) -> None:
    right = write_gguf(tmp_path / "right.gguf")[0].read_bytes()
    parts = take_apart(right)
    del parts.tensors[3]
    wrong = put_together(parts)
    for data in (right, wrong):
        fake = FakeRegistry()
        fake.add(data)
        async with serve(fake) as address:
            puller = make_transfers(library, load_check=check_load).puller
            seen, again = [
                statuses(await run(puller.pull(f"{address}/a/b", insecure=True))) for _ in ("new", "here already")
            ]
        warnings = [status for status in seen if status.startswith("warning: ")]
        assert len(warnings) == (data == wrong)
        assert not warnings or "the engine cannot load this model: tensor 'blk.0.attn_" in warnings[0]
        assert not [status for status in again if status.startswith("warning: ")]
        assert seen[-1] == again[-1] == "success"
        assert library.blobs.has(digest_bytes(data))
