"""Puts the application on a cluster of Ray nodes."""

import logging
import time
from collections.abc import Mapping

import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.schema import ApplicationStatus

from puna.cluster.ray_app import build
from puna.settings import Settings

_NAME = "puna"
_TRIES = 5
_IDLE_SECONDS = 120
"""As on one machine: longer than clients and proxies keep an idle connection, so that they close it first."""
_BACK_SECONDS, _POLL_SECONDS = 300.0, 0.5


def deploy(address: str, settings: Settings, arguments: Mapping[str, str], *, anew: bool) -> None:
    """Start the application on the cluster at ``address``, and return when it takes requests.

    One that is there is replaced, process by process. Without ``anew`` it stays if it can: a Redis had kept it while
    the first machine was away, and the other machines have their models in memory.

    The token must be in the environment (``ray_node.environment``) before this module is imported.
    """
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    ray.init(address=address, namespace=_NAME, log_to_driver=False, logging_level="ERROR")
    try:
        options = HTTPOptions(
            host=settings.address.host,
            port=settings.address.port,
            keep_alive_timeout_s=_IDLE_SECONDS,
            ssl_certfile=str(settings.tls_cert) if settings.tls_cert else None,
            ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
        )
        for left in reversed(range(_TRIES)):
            try:
                serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=options)
                if anew or not _comes_back():
                    serve.run(build(dict(arguments)), name=_NAME, route_prefix="/")
                break
            except TimeoutError:  # the proxy has a minute to come up, which is little on a busy machine; it goes on
                if not left:
                    raise
    finally:
        ray.shutdown()


def _comes_back() -> bool:
    """Return whether the application is there, when all of it runs again."""
    until = time.monotonic() + _BACK_SECONDS
    while time.monotonic() < until:
        known = serve.status().applications.get(_NAME)
        if known is None or known.status == ApplicationStatus.RUNNING:
            return known is not None
        time.sleep(_POLL_SECONDS)
    return False
