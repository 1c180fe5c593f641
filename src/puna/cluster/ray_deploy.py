"""Puts the application on a cluster of Ray nodes."""

import logging
from collections.abc import Mapping

import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation

from puna.cluster.ray_app import build
from puna.settings import Settings

_NAME = "puna"
_TRIES = 5


def deploy(address: str, settings: Settings, arguments: Mapping[str, str]) -> None:
    """Start the application on the cluster at ``address``, and return when it takes requests.

    The token must be in the environment (``ray_node.environment``) before this module is imported.
    """
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    ray.init(address=address, namespace=_NAME, log_to_driver=False, logging_level="ERROR")
    try:
        options = HTTPOptions(
            host=settings.address.host,
            port=settings.address.port,
            ssl_certfile=str(settings.tls_cert) if settings.tls_cert else None,
            ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
        )
        for left in reversed(range(_TRIES)):
            try:
                serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=options)
                serve.run(build(dict(arguments)), name=_NAME, route_prefix="/")
                break
            except TimeoutError:  # the proxy has a minute to come up, which is little on a busy machine; it goes on
                if not left:
                    raise
    finally:
        ray.shutdown()
