"""Requests without a key, and with wrong ones, on every route and some that are none, in every method.

``python -m tests.keys.doors URL [COUNT]`` knocks so often at a server that has keys and says who got in.
"""

import base64
import http.client
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import FastAPI

from puna.api.access.scopes import flat
from puna.api.app import create_app
from puna.api.ollama.examples import PARAMETERS
from puna.settings import Settings

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "get")
ODD = (
    *("//", "//api/tags", "/api//tags", "/api/tags/", "/./api/tags", "/docs/../api/tags", "/docs/%2e%2e/api/tags"),
    *("/docs/assets/../../api/tags", "/docs/assets/swagger-ui.css", "/docs/assets/", "/docs/assets", "/docs/"),
    *(
        "/API/TAGS",
        "/api/tags%00",
        "/api/tags;x=1",
        "/api/tags?key=x",
        "/api/%74ags",
        "/%2fapi/tags",
        "/api/tags%0d%0a",
    ),
    *("/metrics", "/v1", "/v1/models", "/v1/chat/completions", "/v1/messages", "/nope", "/favicon.ico", "/?", "/%"),
    *("/api/puna/keys/%2e%2e/usage", "/api/puna/keys/a/b", "/api/puna/usage?format=csv", "/api/blobs/sha256:x", "*"),
)
_SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_REFUSED = (401, 400, 403)
"""No key; or what is no request of HTTP, or names a host that is not this one's."""


@dataclass(frozen=True, slots=True)
class Knock:
    """One request that must not be let in."""

    method: str
    target: str
    headers: Mapping[str, str]


def whole_app() -> FastAPI:
    """Return an application whose routes are all loaded."""
    app = create_app(Settings.from_env({}))
    app.state.routes.load()
    return app


def _filled(path: str) -> str:
    """Return a path with something in the places of its parameters."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: PARAMETERS.get(found[1], "x"), path)


def targets() -> list[str]:
    """Return the path of every route of the application, and the odd ones."""
    paths = {getattr(route, "path", "") for route in flat(whole_app().routes)}
    return sorted({_filled(path) for path in paths if path}) + list(ODD)


def wrong_keys(*others: str) -> list[Mapping[str, str]]:
    """Return the headers of no key and of wrong ones; ``others`` are keys that were right once."""
    texts = ["", "x", f"puna_{'0' * 16}_{'A' * 43}", "puna__", "null", "ä" * 20, "A" * 5000, *others]
    texts += [text[:-1] for text in others] + [text + "A" for text in others] + [text.upper() for text in others]
    headers: list[Mapping[str, str]] = [{}, {"Cookie": "key=x"}, {"Authorization": "Digest x"}, {"Authorization": ""}]
    headers += [_SOCKET, {**_SOCKET, "Authorization": "Bearer x"}]
    for text in texts:
        latin = text.encode().decode("latin-1")
        basic = [base64.b64encode(pair.encode()).decode() for pair in (f"ada:{text}", f"{text}:", f":{text}", text)]
        headers += [
            {"Authorization": f"Bearer {latin}"},
            {"x-api-key": latin},
            {"Proxy-Authorization": f"Bearer {latin}"},
        ]
        headers += [{"Authorization": f"Basic {encoded}"} for encoded in basic]
        headers += [{"Authorization": f"Bearer {latin}", "x-api-key": latin, "X-Forwarded-For": "127.0.0.1"}]
    return headers


def knocks(count: int, others: Sequence[str] = (), seed: int = 1) -> Iterator[Knock]:
    """Yield ``count`` requests, the same for the same seed: each route in each method, then in any order."""
    chance = random.Random(seed)
    paths, keys = targets(), wrong_keys(*others)
    pairs = [(method, path) for path in paths for method in METHODS]
    for number in range(count):
        method, path = pairs[number] if number < len(pairs) else chance.choice(pairs)
        yield Knock(method, path, chance.choice(keys))


def knock(address: tuple[str, int], each: Iterator[Knock]) -> tuple[Counter[int], list[tuple[Knock, int, bytes]]]:
    """Send the requests one after another; return how often each status came, and those that were let in."""
    statuses: Counter[int] = Counter()
    inside = []
    connection = http.client.HTTPConnection(*address, timeout=30)
    for one in each:
        body = b"{}" if one.method in ("POST", "PUT", "PATCH", "DELETE") else None
        try:
            connection.putrequest(one.method, one.target, skip_accept_encoding=True)
            for name, value in one.headers.items():
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            status, text = 400, b""  # a target that is none is answered by the end of the connection
        if status == 400 or status == 0:
            connection.close()
        statuses[status] += 1
        words = b"" if one.method == "HEAD" else b"unauthorized"
        if status not in _REFUSED or (status == 401 and words not in text):
            inside.append((one, status, text[:200]))
    connection.close()
    return statuses, inside


def main() -> None:
    """Knock at the server that the command line names."""
    url = urlsplit(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    statuses, inside = knock((url.hostname or "127.0.0.1", url.port or 80), knocks(count))
    print(f"{statuses.total()} requests: {dict(statuses)}; let in: {len(inside)}")
    for one, status, text in inside[:20]:
        print(status, one, text)
    sys.exit(bool(inside))


if __name__ == "__main__":
    main()
