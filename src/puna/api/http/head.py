"""What the head of a request must be like before anybody looks at what it asks for (RFC 9112)."""

import re

import httptools

from puna.errors import BadRequestError, PunaError

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\])(?::\d*)?")
"""``uri-host [ ":" port ]`` (RFC 9110, 7.2)."""
_WITH_HOST = ("1.1",)


class HeadTooLargeError(PunaError):
    """The head of a request is over the limit."""

    status = 431

    def __init__(self) -> None:
        super().__init__("the head of the request is too large")


class RequestLineTooLongError(PunaError):
    """The target of a request is over the limit."""

    status = 414

    def __init__(self) -> None:
        super().__init__("the target of the request is too long")


def check_host(headers: list[tuple[bytes, bytes]], target: bytes, version: str) -> None:
    """Raise ``BadRequestError`` unless a head names one host, which decides who is asked (RFC 9112, 3.2).

    A target in absolute form names the host itself; ``headers`` gets what it says.
    """
    places = [index for index, (name, _) in enumerate(headers) if name == b"host"]
    if len(places) > 1:
        raise BadRequestError("the request has more than one Host header")
    if not places and version in _WITH_HOST:
        raise BadRequestError("the request has no Host header")
    if places and not _HOST.fullmatch(headers[places[0]][1]):
        raise BadRequestError("the request has a malformed Host header")
    if not target.startswith((b"/", b"*")) and (host := _authority(target)):
        headers[:] = [entry for entry in headers if entry[0] != b"host"] + [(b"host", host)]


def _authority(target: bytes) -> bytes:
    url = httptools.parse_url(target)
    if not url.host:
        return b""
    host = b"[%b]" % url.host if b":" in url.host else url.host
    return b"%b:%d" % (host, url.port) if url.port else bytes(host)
