"""``puna serve`` whose requests go the way of a cluster, to nodes in the same process: a program of its own.

What crosses is pickled, as between machines, and no Ray is needed. The first node shares the server's models, as that
of a cluster's first machine does.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.cluster.fleet import LocalFleet

from puna.api import app
from puna.cli.main import main
from puna.cluster.service import ClusterService
from puna.models.library import Library
from puna.service import Service
from puna.settings import Settings
from puna.telemetry.record import Subscriber


class LocalCluster(ClusterService):
    """See ``Service``. Its nodes begin and end with it."""

    def __init__(self, settings: Settings, subscribers: Sequence[Subscriber]) -> None:
        self._fleet = LocalFleet(settings.home, settings)
        super().__init__(settings, subscribers, self._fleet)

    async def begin(self, library: Library) -> None:
        """See ``Service``."""
        settings = self._fleet.settings
        await self._fleet.add("first", home=settings.home, models=settings.models)
        await super().begin(library)

    async def close(self) -> None:
        """See ``Service``."""
        await super().close()
        for node in self._fleet.nodes.values():
            await node.close()


def _clustered(settings: Settings, subscribers: Sequence[Subscriber]) -> Service:
    return LocalCluster(settings, subscribers)


app._local = _clustered
sys.argv[:] = ["puna", "serve", *sys.argv[1:]]
main()
