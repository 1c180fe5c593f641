"""Peers that lie, stand still or die, and pulls that break off: what comes is right all the same."""

import json

import pytest
from tests.conftest import Serve
from tests.models.registry.servers import Faults
from tests.peers.nodes import has, node_worlds, proxy, pull, seed_world, sent, sources
from tests.server import Server, World, wait_for

pytestmark = pytest.mark.swarm


def spoil(server: Server, digest: str, size: int) -> None:
    """Change one byte of every MiB of a blob on a server's disk; it does not look again."""
    path = server.world.models / "blobs" / digest.replace(":", "-")
    with path.open("r+b") as file:
        for place in range(500_000, size, 1 << 20):
            file.seek(place)
            file.write(b"lie")


def arrived(server: Server, digest: str) -> int:
    """Return how many bytes of a blob a server has a record of."""
    path = server.world.models / "puna" / "blobs" / f"{digest.replace(':', '-')}.json"
    return sum(part[2] for part in json.loads(path.read_bytes())["parts"]) if path.is_file() else 0


@pytest.fixture
def office(serve: Serve) -> tuple[Server, str, bytes]:
    """A server that is the origin of a model."""
    world = World({"PUNA_SHARE": "*"})
    digest, data = seed_world(world, "office", size=12_000_000)
    return serve(world=world), digest, data


def test_a_peer_whose_bytes_and_hashes_are_wrong_is_found_out_by_the_registry(
    serve: Serve, office: tuple[Server, str, bytes]
) -> None:
    origin, digest, data = office
    liar, honest, node = node_worlds(3)
    name = f"127.0.0.1:{origin.port}/library/office"
    for world in (liar, honest):
        seed_world(world, name, size=12_000_000)
    servers = [serve(world=world) for world in (liar, honest)]
    spoil(servers[0], digest, len(data))
    puller = serve(world=node)
    lines = pull(puller, name)
    assert lines[-1] == {"status": "success"}
    assert has(puller, digest, data)
    assert f"peer 127.0.0.1:{servers[0].port} is left out" in puller.log()
    assert f"peer 127.0.0.1:{servers[1].port} is left out" not in puller.log()


def test_a_peer_that_sends_other_bytes_than_it_says_is_left_out(
    serve: Serve, office: tuple[Server, str, bytes]
) -> None:
    origin, digest, data = office
    liar, first, second = node_worlds(3)
    name = f"127.0.0.1:{origin.port}/library/office"
    seed_world(liar, name, size=12_000_000)
    server = serve(world=liar)
    pull(serve(world=first), name)  # it makes the list of hashes
    spoil(server, digest, len(data))
    puller = serve(world=second)
    assert pull(puller, name)[-1] == {"status": "success"}
    assert has(puller, digest, data)
    assert f"peer 127.0.0.1:{server.port} is left out" in puller.log()


def test_without_a_registry_the_digest_says_who_is_right(serve: Serve) -> None:
    *liars, honest, node = node_worlds(4)
    for world in (*liars, honest):
        digest, data = seed_world(world, "made-here", size=12_000_000)
    servers = [serve(world=world) for world in (*liars, honest)]
    for server in servers[:2]:
        spoil(server, digest, len(data))
    puller = serve(world=node)
    assert pull(puller, "made-here")[-1] == {"status": "success"}
    assert has(puller, digest, data)
    for server in servers[:2]:
        assert f"peer 127.0.0.1:{server.port} is left out" in puller.log()


def test_a_peer_that_stands_still_or_is_gone_costs_no_more_than_time(
    serve: Serve, office: tuple[Server, str, bytes]
) -> None:
    origin, digest, data = office
    stuck, *_ = node_worlds(1)
    name = f"127.0.0.1:{origin.port}/library/office"
    seed_world(stuck, name, size=12_000_000)
    server = serve(world=stuck)
    with proxy(f"127.0.0.1:{server.port}", Faults(stall=1.0, reach=600_000)) as address:
        peers = f"http://{address},http://127.0.0.1:9"
        puller = serve({"PUNA_SHARE": "*", "PUNA_PEERS": peers})
        lines = pull(puller, name)
    assert lines[-1] == {"status": "success"}
    assert has(puller, digest, data)


def test_a_pull_that_broke_off_goes_on_from_what_is_there(serve: Serve) -> None:
    first, node = node_worlds(2)
    digest, data = seed_world(first, "made-here", size=60_000_000)
    peer = serve(world=first)
    server = serve(world=node)
    for line in server.open_stream("/api/pull", {"model": "made-here"}):
        if line.get("digest") == digest and line.get("completed", 0) > len(data) // 3:
            break  # the client is gone, so the pull ends
    wait_for(lambda: arrived(server, digest) > len(data) // 4, 30, "a record of what has arrived")
    server.kill()
    before = sent(peer)
    again = serve(world=node)
    assert pull(again, "made-here")[-1] == {"status": "success"}
    assert has(again, digest, data)
    assert sent(peer) - before < len(data) * 0.9


def test_a_model_that_is_in_no_registry_and_at_no_peer(serve: Serve) -> None:
    first, second = node_worlds(2)
    serve(world=first)
    assert pull(serve(world=second), "127.0.0.1:9/library/none")[-1]["error"].startswith("pull model manifest: ")


def test_what_an_earlier_plain_pull_left_is_used(serve: Serve, office: tuple[Server, str, bytes]) -> None:
    origin, digest, data = office
    name = f"127.0.0.1:{origin.port}/library/office"
    world = World({"PUNA_SHARE": ""})
    server = serve(world=world)
    for line in server.open_stream("/api/pull", {"model": name, "insecure": True}):
        if line.get("digest") == digest and line.get("completed", 0) > len(data) // 2:
            break
    wait_for(lambda: arrived(server, digest) > len(data) // 4, 30, "a record of what has arrived")
    server.stop()
    world.environment["PUNA_SHARE"] = "*"
    again = serve(world=world)
    assert pull(again, name)[-1] == {"status": "success"}
    assert has(again, digest, data)
    assert sources(pull(again, name), digest) == {}
