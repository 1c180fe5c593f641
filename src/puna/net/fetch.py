"""Pictures and sounds that a request names by URL, from public addresses only."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from yarl import URL

from puna.errors import BadRequestError, PayloadTooLargeError
from puna.net.addresses import is_public

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from puna.net.guard import Resolver

_SECONDS = 20.0
_MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
NO_HOSTS = ("none",)
"""The setting under which nothing is fetched at all."""


class FetchError(BadRequestError):
    """What a URL names cannot be had; the text says why, and nothing of what the other side answered."""


class _PublicOnly:
    """Lets nobody reach a private network but the hosts that the settings name."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = {host.lower() for host in allowed}

    def check_address(self, host: str, port: int, address: str) -> None:
        """Raise ``FetchError`` if ``address`` is not on the internet."""
        named = {host.lower(), f"{host}:{port}".lower()} & self._allowed
        if not (named or is_public(address)):
            raise FetchError(f"{host}:{port} is on a private network (see PUNA_MEDIA_HOSTS)")


async def fetch_media(url: str, limit: int, allowed: Collection[str] = ()) -> bytes:
    """Return what an http(s) URL names, of at most ``limit`` bytes.

    ``allowed`` are hosts that may be on a private network (``Settings.media_hosts``). Redirects are followed, each
    checked as the first address was. Raises ``FetchError`` or ``PayloadTooLargeError``.
    """
    import aiohttp  # most servers never fetch anything

    from puna.net.guard import GuardedResolver, Resolver

    if tuple(allowed) == NO_HOSTS:
        raise FetchError("pictures and sounds by URL are switched off (PUNA_MEDIA_HOSTS)")
    rule, resolver = _PublicOnly(allowed), Resolver()
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(rule, resolver))
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            return await _follow(session, _parsed(url), limit, rule, resolver)
    except (TimeoutError, aiohttp.ClientError, OSError, RuntimeError):  # the last of a connection that broke off
        raise FetchError(f"{_shown(url)} cannot be fetched") from None


async def _follow(session: "ClientSession", url: URL, limit: int, rule: _PublicOnly, resolver: "Resolver") -> bytes:
    from puna.net.guard import check_url, proxy_of

    for _ in range(_MOST_REDIRECTS):
        await check_url(url, rule, resolver)
        async with session.get(url, allow_redirects=False, proxy=proxy_of(url)) as response:
            location = response.headers.get("Location")
            if response.status in _REDIRECTS and location:
                url = _parsed(location, url)
                continue
            if response.status != 200:
                raise FetchError(f"{_shown(str(url))} answers with status {response.status}")
            data = bytearray()
            async for part in response.content.iter_any():
                data += part
                if len(data) > limit:
                    raise PayloadTooLargeError(f"{_shown(str(url))} is larger than the limit of {limit} bytes")
            return bytes(data)
    raise FetchError(f"{_shown(str(url))} redirects too often")


def _parsed(url: str, base: URL | None = None) -> URL:
    """Return what ``url`` means, at ``base`` if it is relative to that; raise ``FetchError``."""
    try:
        parsed = base.join(URL(url)) if base else URL(url)
    except ValueError:
        raise FetchError(f"{_shown(url)} is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.user or parsed.password:
        raise FetchError(f"{_shown(url)} is not a URL of http or https")
    return parsed


def _shown(url: str) -> str:
    return url.partition("?")[0][:200]
