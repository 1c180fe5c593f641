"""The cluster as an application of Ray Serve: an ingress that speaks every dialect, and one node on each machine.

``puna.cluster.ray_app:build`` is its import path in a file for ``serve deploy`` and for KubeRay.
"""

import contextlib
import secrets
import socket
from collections.abc import Sequence
from typing import Any, cast

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from puna import logs
from puna.api.app import create_app
from puna.cluster.node import Node
from puna.cluster.ray_fleet import NAMESPACE, PREFIX, RayFleet
from puna.cluster.ray_node import INGRESS, NODE
from puna.cluster.routes import router
from puna.cluster.service import ClusterService
from puna.service import Service
from puna.settings import Settings
from puna.telemetry.record import Subscriber

DRAIN_SECONDS = 600.0
"""How long answers under way may still take when a node or an ingress is replaced."""
_MANY = 100_000


class NodeHere(Node):
    """The node of one machine, with the settings of its environment."""

    def __init__(self, name: str, address: str) -> None:
        settings = Settings.from_env()
        _start_log(settings)
        super().__init__(name, address, settings, frozenset(settings.node_labels))


NODE_ACTOR: Any = ray.remote(num_cpus=0, max_concurrency=_MANY)(NodeHere)


def one_a_machine(_context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Return how many nodes there are to be: one on each machine that has said that it takes part."""
    alive = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get(NODE)]
    return max(len(alive), 1), {}


@serve.deployment(
    name="node",
    max_replicas_per_node=1,
    ray_actor_options={"num_cpus": 0, "resources": {NODE: 1}},
    health_check_period_s=2,
    health_check_timeout_s=30,
    graceful_shutdown_timeout_s=DRAIN_SECONDS,
    autoscaling_config=AutoscalingConfig(
        min_replicas=1,
        max_replicas=_MANY,
        upscale_delay_s=0,
        downscale_delay_s=0,
        policy=AutoscalingPolicy(policy_function="puna.cluster.ray_app:one_a_machine"),
    ),
)
class NodeKeeper:
    """Keeps the node of its machine: Serve starts one on each, looks whether it lives, and replaces it in its turn."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Serve awaits it
        await self._start()

    async def _start(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        name = f"{PREFIX}{socket.gethostname()}-{secrets.token_hex(3)}"
        options = NODE_ACTOR.options(name=name, namespace=NAMESPACE, scheduling_strategy=here)
        self._actor = options.remote(name, ray.util.get_node_ip_address())
        await self._actor.begin.remote()

    async def check_health(self) -> None:
        """Start the node anew if its process has died; raise an error if it does not answer: Serve then replaces us."""
        try:
            await self._actor.beat.remote(NAMESPACE)
        except ray.exceptions.ActorDiedError:
            await self._start()

    async def __del__(self) -> None:
        """Let the node end what it has begun, as Serve waits for before it replaces it."""
        with contextlib.suppress(ray.exceptions.RayError):
            await self._actor.drain.remote(DRAIN_SECONDS)
            await self._actor.close.remote()
        ray.kill(self._actor)


def application() -> FastAPI:
    """Return the application of an ingress: that of one machine, answered by the nodes."""
    settings = Settings.from_env()
    _start_log(settings)

    def service(settings: Settings, subscribers: Sequence[Subscriber]) -> Service:
        return ClusterService(settings, subscribers, RayFleet())

    app = create_app(settings, service=service)
    app.include_router(router)
    return app


@serve.deployment(
    name="ingress",
    max_ongoing_requests=_MANY,
    ray_actor_options={"num_cpus": 0, "resources": {INGRESS: 0.001}},
    health_check_period_s=2,
    health_check_timeout_s=30,
    graceful_shutdown_timeout_s=DRAIN_SECONDS,
)
@serve.ingress(application)
class Ingress:
    """Takes requests in every dialect."""

    def __init__(self, _nodes: Any) -> None:
        """The nodes are called by their actors; that they are bound makes them part of the same application."""


def build(arguments: dict[str, str]) -> Application:
    """Return the application. ``ingresses`` is how many processes take requests, 1 without it."""
    count = int(arguments.get("ingresses", "1"))
    ingress, keeper = cast(Any, Ingress), cast(Any, NodeKeeper)
    return ingress.options(num_replicas=count).bind(keeper.bind())


def _start_log(settings: Settings) -> None:
    logs.start(debug=settings.debug, form=settings.log_format, file=settings.log_file, size=settings.log_file_size)
