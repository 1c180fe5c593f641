"""Who may call: credentials on every route, local hosts, known origins, no open port by accident."""

import base64
import re
from typing import Any

import pytest
import requests
from tests.conftest import Serve
from tests.server import Server, World

from puna.api.app import create_app
from puna.api.ollama.examples import PARAMETERS
from puna.settings import Settings

PASSWORD = "pässwörd: 密码"
UNKNOWN = [
    "/nope",
    "/api/nope",
    "/v1/chat/completions",
    "/metrics",
    "/favicon.ico",
    "/docs/oauth2-redirect",
    "//",
    "/%2e%2e/x",
]


def every_route() -> set[tuple[str, str]]:
    """Return method and path of everything that the application answers, and of some that it does not."""
    app = create_app(Settings.from_env({}))
    routes = {
        (method.upper(), re.sub(r"\{(\w+)[^}]*\}", lambda found: PARAMETERS.get(found[1], "x"), path))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    pages = {("GET", route.path) for route in app.routes if "{" not in getattr(route, "path", "{")}
    return routes | pages | {(method, path) for path in UNKNOWN for method in ("GET", "POST", "OPTIONS")}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.fixture(scope="module")
def guarded() -> Any:
    world = World({"OLLAMA_BASIC_AUTH": f"Ada:{PASSWORD}"})
    server = Server(world)
    yield server
    server.stop()
    assert world.close() == []


def test_there_are_routes_to_guard() -> None:
    routes = every_route()
    assert {("POST", "/api/generate"), ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/")} <= routes
    assert len(routes) > 20


def test_every_route_asks_for_credentials(guarded: Server) -> None:
    for method, path in sorted(every_route()):
        response = guarded.request(method, path, b"{}")
        assert response.status_code == 401, (method, path)
        assert response.headers["www-authenticate"].startswith("Basic "), (method, path)
        assert method == "HEAD" or "unauthorized" in str(response.json()["error"]), (method, path)


@pytest.mark.parametrize(
    "headers",
    [
        basic("Ada:wrong"),
        basic("Ada:" + PASSWORD + "x"),
        basic("Ada:" + PASSWORD[:-1]),
        basic("ada:" + PASSWORD),
        basic("Ada"),
        basic(""),
        {"Authorization": "Basic"},
        {"Authorization": "Basic ==="},
        {"Authorization": "Bearer " + PASSWORD.encode().hex()},
        {"Authorization": ""},
        {"Authorization": "Basic " + "A" * 10_000},
    ],
)
def test_wrong_credentials(guarded: Server, headers: dict[str, str]) -> None:
    assert guarded.get("/api/tags", headers=headers).status_code == 401


def test_right_credentials(guarded: Server) -> None:
    for scheme in ("Basic", "basic", "BASIC"):
        encoded = base64.b64encode(f"Ada:{PASSWORD}".encode()).decode()
        assert guarded.get("/api/tags", headers={"Authorization": f"{scheme} {encoded}"}).status_code == 200
    auth = (b"Ada", PASSWORD.encode())
    body = {"model": "cria", "prompt": "x", "stream": False, "max_tokens": 1}
    assert requests.post(f"{guarded.url}/api/generate", json=body, auth=auth, timeout=60).status_code == 200


def test_commands_send_the_credentials(guarded: Server, world: World) -> None:
    world.environment |= {"OLLAMA_HOST": f"127.0.0.1:{guarded.port}", "OLLAMA_BASIC_AUTH": f"Ada:{PASSWORD}"}
    assert "cria:latest" in world.run("list").stdout
    world.environment["OLLAMA_BASIC_AUTH"] = "Ada:wrong"
    done = world.run("list")
    assert (done.returncode, done.stderr) == (1, "Error: unauthorized\n")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:11434", "192.168.1.7", "printer.local", "ollama.internal"]
)
def test_local_hosts(server: Server, host: str) -> None:
    assert server.get("/api/tags", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:11434", "127.0.0.1.evil.example", "localhost.evil.example", "8.8.8.8", ""]
)
def test_foreign_hosts(server: Server, host: str) -> None:
    for path in ("/", "/api/tags", "/nope"):
        response = server.get(path, headers={"Host": host})
        assert response.status_code == 403
        assert "not allowed" in response.json()["error"]


def preflight(server: Server, origin: str) -> requests.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
    }
    return server.request("OPTIONS", "/api/chat", headers=headers)


@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "http://localhost:3000", "https://127.0.0.1:8443", "app://obsidian.md", "http://[::1]:5173"],
)
def test_origins_of_this_machine(server: Server, origin: str) -> None:
    response = preflight(server, origin)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] in {origin, "*"}
    assert response.headers["access-control-max-age"] == "43200"
    assert response.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"
    allowed = response.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "user-agent", "x-requested-with", "openai-beta"} <= set(allowed)
    assert {"x-stainless-timeout", "x-stainless-helper-method", "x-priority", "anthropic-version"} <= set(allowed)
    assert {"x-stainless-helper", "x-session-id", "traceparent", "tracestate"} <= set(allowed)
    answer = server.get("/api/tags", headers={"Origin": origin}).headers
    assert answer["access-control-allow-origin"] in {origin, "*"}
    told = answer["access-control-expose-headers"].lower().split(", ")
    assert {"x-request-id", "request-id", "retry-after", "ratelimit", "ratelimit-policy"} <= set(told)


def test_a_page_of_this_machine_may_send_headers_that_nobody_here_knows(server: Server) -> None:
    asked = "content-type,x-stainless-helper, traceparent,not a name"
    headers = {"Origin": "http://localhost", "Access-Control-Request-Method": "POST"}
    response = server.request("OPTIONS", "/api/chat", headers=headers | {"Access-Control-Request-Headers": asked})
    allowed = response.headers["access-control-allow-headers"].lower().split(", ")
    assert {"x-stainless-helper", "traceparent"} <= set(allowed)
    assert allowed.count("content-type") == 1
    assert "not a name" not in allowed


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "https://evil.example/http://localhost"]
)
def test_foreign_origins(server: Server, origin: str) -> None:
    assert preflight(server, origin).status_code == 403
    response = server.post("/api/show", {"model": "cria"}, headers={"Origin": origin})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


def test_origins_of_the_setting_and_preflight_without_credentials(serve: Serve) -> None:
    server = serve(
        {"OLLAMA_ORIGINS": "https://chat.example, https://*.team.example", "OLLAMA_BASIC_AUTH": "user:password"}
    )
    for origin in ("https://chat.example", "https://a.team.example"):
        assert preflight(server, origin).status_code == 204
        response = server.get("/api/tags", headers={"Origin": origin})
        assert response.status_code == 401
        assert response.headers["access-control-allow-origin"] == origin, "a page can read why"
        assert server.get("/api/tags", headers={"Origin": origin} | basic("user:password")).status_code == 200
    assert preflight(server, "https://team.example.evil.example").status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0:0", "[::]:0"])
def test_open_address_without_credentials_is_refused(world: World, host: str) -> None:
    world.environment["OLLAMA_HOST"] = host
    done = world.run("serve")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: refusing to listen on ")
    assert "OLLAMA_BASIC_AUTH=user:password" in done.stderr
    assert "PUNA_ALLOW_OPEN=1" in done.stderr


def test_open_address_knowingly(serve: Serve) -> None:
    server = serve({"OLLAMA_HOST": "0.0.0.0:0", "PUNA_ALLOW_OPEN": "1"})
    assert server.get("/").text == "Ollama is running"
    assert server.get("/", headers={"Host": "my.server.example"}).status_code == 200, "its names are not known"
