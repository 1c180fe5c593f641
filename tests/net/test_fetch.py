"""Pictures by URL: taken from where anybody may go, bounded, and from nowhere else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from puna.errors import PayloadTooLargeError
from puna.net.fetch import FetchError, fetch_media


@pytest.fixture
async def place() -> AsyncIterator[str]:
    async def give(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1000)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    app = web.Application()
    app.router.add_get("/picture", give)
    app.router.add_get("/elsewhere", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_named_host_gives_its_picture(place: str) -> None:
    assert await fetch_media(f"http://{place}/picture", 1000, [place]) == b"x" * 1000
    assert await fetch_media(f"http://{place}/elsewhere?to=/picture", 1000, [place]) == b"x" * 1000


async def test_no_login_of_the_servers_user_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login ana password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    async def give(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=b"x")

    runner = web.AppRunner(server := web.Application())
    server.router.add_get("/picture", give)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"127.0.0.1:{runner.addresses[0][1]}"
    await fetch_media(f"http://{address}/picture", 1000, [address])
    await runner.cleanup()
    assert seen == [None]


async def test_a_proxy_of_the_environment_is_used_with_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    async def proxy(request: web.Request) -> web.Response:
        seen.append((str(request.url), request.headers.get("Proxy-Authorization")))
        return web.Response(body=b"x")

    runner = web.ServerRunner(web.Server(proxy))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("http_proxy", f"http://ana:secret@127.0.0.1:{runner.addresses[0][1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert await fetch_media("http://pictures.invalid/a.png", 1000) == b"x"
    await runner.cleanup()
    assert seen == [("http://pictures.invalid/a.png", "Basic YW5hOnNlY3JldA==")]


async def test_more_than_the_limit_is_refused(place: str) -> None:
    with pytest.raises(PayloadTooLargeError):
        await fetch_media(f"http://{place}/picture", 999, [place])


async def test_private_addresses_are_refused(place: str) -> None:
    port = place.partition(":")[2]
    urls = [f"http://{place}/picture", f"http://localhost:{port}/picture", f"http://127.1:{port}/", "http://[::1]/x"]
    for url in urls:
        with pytest.raises(FetchError, match="private network"):
            await fetch_media(url, 1000)


async def test_a_redirect_does_not_lead_to_them(place: str) -> None:
    with pytest.raises(FetchError, match="private network"):
        await fetch_media(f"http://{place}/elsewhere?to=http://127.0.0.2:{place.partition(':')[2]}/", 1000, [place])


async def test_circles_end(place: str) -> None:
    circle = f"http://{place}/elsewhere?to=/elsewhere%3Fto%3D/elsewhere"
    with pytest.raises(FetchError):
        async with asyncio.timeout(15):
            await fetch_media(circle, 1000, [place])


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://x:99999/", "http://a..b/", f"http://{'a' * 64}.com/", "ftp://x/"]
)
async def test_a_redirect_to_nowhere_is_refused(place: str, url: str) -> None:
    with pytest.raises(FetchError):
        await fetch_media(f"http://{place}/elsewhere?to={url}", 1000, [place])


@pytest.mark.parametrize(
    "url",
    [
        "http://a..b/x",
        f"http://{'a' * 64}.com/",
        "file:///etc/passwd",
        "ftp://x/y",
        "http://",
        "http://u:p@h/",
        "http://[",
        "data:x",
    ],
)
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(FetchError):
        await fetch_media(url, 1000)


async def test_nothing_is_fetched_where_that_is_off(place: str) -> None:
    with pytest.raises(FetchError, match="switched off"):
        await fetch_media(f"http://{place}/picture", 1000, ["none"])
