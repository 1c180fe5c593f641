"""A registry in a few lines of aiohttp, for answers that a real one does not give."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from puna.models.manifests import CONFIG_TYPE, MODEL, Layer, make_manifest
from puna.models.store import digest_bytes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONFIG = b'{"model_format":"gguf"}'


@dataclass
class FakeRegistry:
    """Serves one manifest for every name, and blobs; ``handler`` may answer first. ``seen`` are the requests."""

    manifest: bytes = b""
    blobs: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    handler: Handler | None = None
    seen: list[web.Request] = field(default_factory=list)
    address: str = ""

    def add(self, *blobs: bytes) -> None:
        """Serve a model of these blobs."""
        layers = [Layer(MODEL, digest_bytes(data), len(data)) for data in blobs]
        self.manifest = make_manifest(Layer(CONFIG_TYPE, digest_bytes(CONFIG), len(CONFIG)), tuple(layers)).raw
        self.blobs |= {digest_bytes(data): data for data in (*blobs, CONFIG)}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.seen.append(request)
        if self.handler is not None:
            with contextlib.suppress(NotImplementedError):
                return await self.handler(request)
        if "/manifests/" in request.path:
            return web.Response(body=self.manifest)
        data = self.blobs.get(request.path.rpartition("/")[2])
        if data is None:
            return web.json_response({"errors": [{"code": "BLOB_UNKNOWN", "message": "blob unknown"}]}, status=404)
        part = request.http_range
        if not self.ranges or "Range" not in request.headers:
            return web.Response(body=data)
        content = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
        return web.Response(body=data[part], status=206, headers={"Content-Range": content})


@contextlib.asynccontextmanager
async def serve(fake: FakeRegistry) -> AsyncIterator[str]:
    """Serve ``fake`` and yield ``host:port``."""
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.address = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake.address
    finally:
        await runner.cleanup()


def error(status: int, message: str, **headers: str) -> web.Response:
    """Return an error as registries send it."""
    body = json.dumps({"errors": [{"code": "X", "message": message}]})
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)
