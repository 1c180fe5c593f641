"""The registry protocol of a server that shares its models: what clients of registries ask, and what they are told."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from tests.conftest import Serve
from tests.keys.conftest import bearer, key_of
from tests.keys.test_tls import write_certificate
from tests.models.registry.servers import free_port
from tests.peers.nodes import get, has, pull, seed_world
from tests.server import Server, World, wait_for
from tests.system import require

from puna.models.manifests import MANIFEST_TYPE
from puna.models.store import digest_bytes

_PROXY = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
proxy: {{remoteurl: "{upstream}"}}
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Server, str, bytes]]:
    """A server that shares some of its models, with the digest and the bytes of one."""
    world = World({"PUNA_SHARE": "open*,team/*,example.org/*"})
    digest, data = seed_world(world, "open-model:1b", size=3_000_000)
    seed_world(world, "open-model:2b", seed=2, size=1000)
    seed_world(world, "team/one", seed=3, size=1000)
    seed_world(world, "private", seed=4, size=1000)
    seed_world(world, "hf.co/team/two", seed=5, size=1000)
    seed_world(world, "example.org/team/three", seed=6, size=900)
    seed_world(world, "example.org/team/four", seed=7, size=900)
    server = Server(world)
    yield server, digest, data
    server.stop()
    assert "Traceback" not in server.log()
    assert world.close() == []


def test_nothing_is_shared_unless_asked_for(server: Server) -> None:
    for path in ("/v2/", "/v2/_catalog", "/v2/library/cria/tags/list", "/v2/library/cria/manifests/latest"):
        assert server.get(path).status_code == 404


def test_what_a_registry_says_of_itself_and_its_models(shared: tuple[Server, str, bytes]) -> None:
    server, *_ = shared
    assert server.get("/v2/").headers["docker-distribution-api-version"] == "registry/2.0"
    assert server.get("/v2/_catalog").json() == {"repositories": ["library/open-model", "team/one"]}
    assert server.get("/v2/_catalog?ns=hf.co").json() == {"repositories": []}
    assert server.get("/v2/open-model/tags/list").json() == {"name": "open-model", "tags": ["1b", "2b"]}
    page = server.get("/v2/library/open-model/tags/list?n=1")
    assert page.json()["tags"] == ["1b"]
    rest = server.get(page.headers["link"].partition(">")[0].lstrip("<"))
    assert (rest.json()["tags"], "link" in rest.headers) == (["2b"], False)
    page = server.get("/v2/_catalog?ns=example.org&n=1")
    assert page.json() == {"repositories": ["team/four"]}
    rest = server.get(page.headers["link"].partition(">")[0].lstrip("<"))
    assert rest.json() == {"repositories": ["team/three"]}, "of the same registry's names"


def test_a_manifest_by_tag_and_by_digest(shared: tuple[Server, str, bytes]) -> None:
    server, *_ = shared
    found = server.get("/v2/library/open-model/manifests/1b")
    assert found.headers["docker-content-digest"] == digest_bytes(found.content)
    assert found.headers["content-type"] == "application/vnd.docker.distribution.manifest.v2+json"
    by_digest = server.get(f"/v2/library/open-model/manifests/{digest_bytes(found.content)}")
    assert by_digest.content == found.content
    head = server.request("HEAD", "/v2/library/open-model/manifests/1b")
    assert (int(head.headers["content-length"]), head.content) == (len(found.content), b"")


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        (None, 200, 0, None),
        ("bytes=0-99", 206, 0, 100),
        ("bytes=2999000-", 206, 2_999_000, None),
        ("bytes=-10", 206, 2_999_990, None),
        ("bytes=100-9999999", 206, 100, None),
        ("bytes=5-1", 200, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("lines=0-1", 200, 0, None),
        pytest.param(f"bytes=0-{'9' * 5000}", 200, 0, None, id="more digits than Python reads"),
    ],
)
def test_a_blob_and_its_ranges(
    asked: str | None, status: int, start: int, stop: int | None, shared: tuple[Server, str, bytes]
) -> None:
    server, digest, data = shared
    found = server.get(f"/v2/library/open-model/blobs/{digest}", headers={"Range": asked} if asked else {})
    assert (found.status_code, found.content) == (status, data[start:stop])
    if status == 206:
        assert found.headers["content-range"] == f"bytes {start}-{(stop or len(data)) - 1}/{len(data)}"


def test_a_range_beyond_the_end(shared: tuple[Server, str, bytes]) -> None:
    server, digest, data = shared
    found = server.get(f"/v2/library/open-model/blobs/{digest}", headers={"Range": "bytes=9000000-"})
    assert (found.status_code, found.headers["content-range"]) == (416, f"bytes */{len(data)}")
    head = server.request("HEAD", f"/v2/library/open-model/blobs/{digest}")
    assert (int(head.headers["content-length"]), head.headers["accept-ranges"]) == (len(data), "bytes")


def test_ollamas_own_way_to_fetch_a_blob(shared: tuple[Server, str, bytes]) -> None:
    """``server/download.go`` asks for the length, then for the place of the bytes, then for ranges from there."""
    server, digest, data = shared
    url = f"{server.url}/v2/library/open-model/blobs/{digest}"
    length = int(requests.head(url, timeout=30).headers["content-length"])
    with requests.get(url, stream=True, timeout=30) as whole:
        assert whole.status_code == 200
        place = urljoin(url, whole.headers["location"])
    half = length // 2
    parts = [
        requests.get(place, headers={"Range": f"bytes={start}-{stop - 1}"}, timeout=30).content
        for start, stop in ((0, half), (half, length))
    ]
    assert b"".join(parts) == data


@pytest.mark.parametrize(
    "path",
    [
        "/v2/library/private/manifests/latest",
        "/v2/library/nothing/manifests/latest",
        "/v2/library/private/tags/list",
        "/v2/library/nothing/tags/list",
        "/v2/library/private/blobs/{private}",
        "/v2/library/open-model/blobs/{private}",
        "/v2/library/open-model/blobs/{nothing}",
        "/v2/_puna/blobs/{private}",
        "/v2/_puna/blobs/{nothing}",
    ],
)
def test_what_is_not_shared_is_not_there(path: str, shared: tuple[Server, str, bytes]) -> None:
    server, *_ = shared
    private = next(path for path in (server.world.models / "blobs").iterdir() if path.stat().st_size == 1000)
    found = server.get(path.format(private=private.name.replace("-", ":"), nothing=digest_bytes(b"nothing")))
    if "open-model/blobs/{private}" in path and found.status_code == 200:  # the model of 1000 bytes that is shared
        pytest.skip("this blob is the shared one")
    assert found.status_code == 404
    assert found.json()["errors"][0]["code"] in ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN")


def test_errors_are_those_of_registries(shared: tuple[Server, str, bytes]) -> None:
    server, *_ = shared
    assert server.get("/v2/library/open-model/blobs/sha256:1").status_code == 400
    assert server.post("/v2/library/open-model/blobs/uploads/", b"").status_code in (404, 405)
    assert server.request("PUT", "/v2/library/open-model/manifests/1b", b"{}").json()["errors"][0]["code"] == (
        "UNSUPPORTED"
    )


def test_puna_pulls_from_puna(shared: tuple[Server, str, bytes], serve: Serve) -> None:
    server, digest, data = shared
    other = serve()
    name = f"127.0.0.1:{server.port}/library/open-model:1b"
    assert pull(other, name)[-1] == {"status": "success"}
    assert has(other, digest, data)
    assert pull(other, f"127.0.0.1:{server.port}/library/private")[-1] == {
        "error": "pull model manifest: file does not exist"
    }


def test_a_key_of_its_own_scope_opens_it_and_nothing_else(serve: Serve) -> None:
    world = World({"PUNA_SHARE": "*"})
    digest, data = seed_world(world, "open", size=2_000_000)
    seed_world(world, "closed", seed=7, size=2_000_000)
    key = key_of(world, "peers", scopes=["registry"], models=["open*"])
    wrong = key_of(world, "wrong", scopes=["infer", "pull"])
    guarded = serve(world=world)
    refused = get(guarded, "/v2/")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="Puna", charset="UTF-8"')
    assert refused.json() == {"errors": [{"code": "UNAUTHORIZED", "message": "unauthorized"}]}
    assert get(guarded, "/v2/", headers=bearer(wrong)).status_code == 403
    assert get(guarded, "/v2/_catalog", auth=("any", key)).json() == {"repositories": ["library/open"]}
    assert get(guarded, "/v2/library/closed/manifests/latest", headers=bearer(key)).status_code == 404
    assert guarded.post("/api/pull", {"model": "x"}, headers=bearer(key)).status_code == 403
    login = {"PUNA_REGISTRY_AUTH": f"127.0.0.1:{guarded.port}=any:{key}"}
    other = serve(login)
    assert pull(other, f"127.0.0.1:{guarded.port}/library/open")[-1] == {"status": "success"}
    assert has(other, digest, data)
    given = f"http://any:{key}@127.0.0.1:{guarded.port}/library/open"
    assert serve().stream("/api/pull", {"model": given, "insecure": True})[-1] == {"status": "success"}


def test_over_tls(serve: Serve) -> None:
    world = World({"PUNA_SHARE": "*"})
    digest, data = seed_world(world, "open", size=2_000_000)
    certificate, key = write_certificate(world.root, "peer")
    world.environment |= {"PUNA_TLS_CERT": str(certificate), "PUNA_TLS_KEY": str(key)}
    secure = serve(world=world)
    other = serve({"SSL_CERT_FILE": str(certificate)})
    lines = other.stream("/api/pull", {"model": f"127.0.0.1:{secure.port}/library/open"})
    assert lines[-1] == {"status": "success"}
    assert has(other, digest, data)


def test_debians_registry_pulls_through(serve: Serve, tmp_path: Path) -> None:
    """As a pull-through cache it is the client that Docker's own tools have in them (which asks for no login)."""
    program, port = require("docker-registry"), free_port()
    world = World({"PUNA_SHARE": "*"})
    digest, data = seed_world(world, "open", size=2_000_000)
    server = serve(world=world)
    config = tmp_path / "config.yml"
    config.write_text(_PROXY.format(root=tmp_path / "data", port=port, upstream=server.url))
    cache = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/v2/library/open"
        wait_for(lambda: _status(f"{url}/manifests/latest") == 200, 20, "the cache")
        assert requests.get(f"{url}/blobs/{digest}", timeout=30).content == data
    finally:
        cache.terminate()
        cache.wait(10)


def _status(url: str) -> int:
    try:
        return requests.get(url, headers={"Accept": MANIFEST_TYPE}, timeout=10).status_code
    except requests.ConnectionError:
        time.sleep(0.1)
        return 0
