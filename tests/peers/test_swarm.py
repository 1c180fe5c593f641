"""One model to several nodes: each byte leaves its origin once, whatever the origin is."""

from pathlib import Path

from tests.conftest import Serve
from tests.models.registry.servers import Faults, docker_registry
from tests.peers.nodes import has, node_worlds, proxy, pull, pull_all, seed_world, sent, sources
from tests.server import World

SMALL = 10_000
"""More than manifests, templates, configurations and headers are together."""
LATE = 3 << 20
"""Pieces that leave twice on a machine that is so busy that a node is taken for one that has stopped."""


def test_a_model_goes_to_four_nodes_with_each_byte_leaving_its_origin_once(serve: Serve) -> None:
    origin_world = World({"PUNA_SHARE": "*"})
    digest, data = seed_world(origin_world, "office")
    origin = serve(world=origin_world)
    nodes = [serve(world=world) for world in node_worlds(4)]
    progress = pull_all(nodes, f"127.0.0.1:{origin.port}/library/office")
    assert [lines[-1]["status"] for lines in progress] == ["success"] * 4
    assert all(has(node, digest, data) for node in nodes)
    assert len(data) <= sent(origin) < len(data) + SMALL + LATE
    assert all(sum(sources(lines, digest).values()) == len(data) for lines in progress)


def test_a_registry_that_knows_nothing_of_peers_is_asked_once_too(serve: Serve, tmp_path: Path) -> None:
    origin_world = World()
    with docker_registry(tmp_path) as registry, proxy(registry, faults := Faults()) as address:
        name = f"{address}/library/office"
        digest, data = seed_world(origin_world, name, size=12_000_000)
        origin = serve(world=origin_world)
        assert origin.stream("/api/push", {"model": name, "insecure": True})[-1] == {"status": "success"}
        origin.stop()
        before = faults.received
        nodes = [serve(world=world) for world in node_worlds(4)]
        progress = pull_all(nodes, name)
        assert [lines[-1]["status"] for lines in progress] == ["success"] * 4
        assert all(has(node, digest, data) for node in nodes)
        assert faults.received - before < len(data) + 4 * SMALL + LATE


def test_what_one_has_is_taken_from_several_side_by_side(serve: Serve) -> None:
    worlds = node_worlds(3)
    for world in worlds[:2]:
        digest, data = seed_world(world, "made-here")
    nodes = [serve(world=world) for world in worlds]
    lines = pull(nodes[2], "made-here")
    assert "pulling from peers" in [line["status"] for line in lines]
    assert has(nodes[2], digest, data)
    assert sorted(sources(lines, digest)) == sorted(f"127.0.0.1:{node.port}" for node in nodes[:2])
