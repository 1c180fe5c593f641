"""HTTP with a runner: what comes, what breaks off, and what is closed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from puna.engine.http import Http

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def serving(directory: Path, serve: Serve) -> AsyncIterator[Http]:
    """Answer each connection by ``serve``, and end it then; all of them have ended at the end."""
    ended: list[asyncio.Future[None]] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.get_running_loop().create_future())
        at = len(ended) - 1
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            ended[at].set_result(None)

    async with await asyncio.start_unix_server(one, str(directory / "socket")):
        yield Http(directory / "socket", "key")
        await asyncio.gather(*ended)


def saying(*pieces: bytes) -> Serve:
    """Answer with these pieces, and end the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)

    return serve


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_request_and_its_answer(tmp_path: Path) -> None:
    heard = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

    async with serving(tmp_path, serve) as http:
        with closing(await http.request("POST", "/slots/0?action=save", b'{"a":1}')) as answer:
            assert (answer.status, await answer.read(), await answer.some()) == (404, b"no", b"")
    head, body = heard.split(b"\r\n\r\n")
    assert head.splitlines() == [
        b"POST /slots/0?action=save HTTP/1.1",
        b"Host: runner",
        b"Authorization: Bearer key",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: 7",
    ]
    assert body == b'{"a":1}'


async def test_pieces_are_given_as_they_come(tmp_path: Path) -> None:
    pieces = b"HTTP/1.1 200 ", CHUNKED[13:] + b"1\r\n", b"a\r\n", b"1\r\nb\r\n1\r\nc\r\n", b"0\r\n\r\n"
    async with serving(tmp_path, saying(*pieces)) as http:
        with closing(await http.request("GET", "/")) as answer:
            assert [await answer.some() for _ in range(4)] == [b"a", b"bc", b"", b""]


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ((), b""),
        ((b"HTTP/1.1 200 OK\r\n",), b""),
        ((b"SSH-2.0\r\n",), b""),
        ((CHUNKED + b"1\r\na\r\n",), b"a"),
        ((CHUNKED + b"1\r\na\r\n", b"malformed"), b"a"),
    ],
)
async def test_an_answer_that_breaks_off_is_no_whole_one(
    tmp_path: Path, pieces: tuple[bytes, ...], told: bytes
) -> None:
    came = b""
    async with serving(tmp_path, saying(*pieces)) as http:
        with pytest.raises(ConnectionError), closing(await http.request("GET", "/")) as answer:
            came = await answer.some()
            await answer.read()
    assert came == told


async def test_who_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await Http(tmp_path / "socket", "key").request("GET", "/")


async def test_what_is_closed_fails_for_all_who_wait(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/begun" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(CHUNKED + b"1\r\na\r\n")
        await silent(reader, writer)

    async with serving(tmp_path, serve) as http:
        begun = await http.request("GET", "/begun")
        waiting = asyncio.create_task(http.request("GET", "/"))
        await asyncio.sleep(0.05)
        http.close()
        for attempt in (waiting, begun.some(), http.request("GET", "/")):
            with pytest.raises(ConnectionError, match="closed"):
                await attempt


async def test_who_stops_waiting_ends_the_connection(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent(reader, writer)
        ended.set()

    async with serving(tmp_path, serve) as http:
        waiting = asyncio.create_task(http.request("GET", "/"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        async with asyncio.timeout(10):
            await ended.wait()


async def test_what_nobody_takes_is_not_read(tmp_path: Path) -> None:
    sent, size = 0, 1 << 16

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size * 200))
        for _ in range(200):
            writer.write(bytes(size))
            await writer.drain()
            sent += size

    async with serving(tmp_path, serve) as http:
        with closing(await http.request("GET", "/")) as answer:
            await asyncio.sleep(0.3)
            assert sent < 4 << 20
            async with asyncio.timeout(10):
                assert len(await answer.read()) == size * 200
