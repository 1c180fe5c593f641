"""How the page is served: to browsers alone, compressed, kept by its digest, and bound by a strict policy."""

import gzip
import re

import pytest
from tests.server import Server

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LARGEST = 250_000


def base_of(server: Server) -> str:
    """Return the path under which the files lie."""
    found = re.search(r'"(/page/[0-9a-f]{16}/)icon\.svg"', server.get("/", headers=BROWSER).text)
    assert found
    return found[1]


def test_programs_are_told_that_the_server_runs(server: Server) -> None:
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        response = server.get("/", headers=headers)
        assert response.text == "Ollama is running"
        assert "Accept" in response.headers["vary"].split(", ")


def test_browsers_get_the_page(server: Server) -> None:
    response = server.get("/", headers=BROWSER)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<!doctype html>" in response.text
    assert "%base%" not in response.text
    again = server.get("/", headers=BROWSER | {"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert server.request("HEAD", "/", headers=BROWSER).headers["etag"] == response.headers["etag"]


def test_policy_lets_nothing_in_from_elsewhere(server: Server) -> None:
    for path in ("/", base_of(server) + "app/main.js"):
        policy = server.get(path, headers=BROWSER).headers["content-security-policy"]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert "unsafe" not in policy
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert rules["img-src"] == "'self' data: blob:"
        assert rules["trusted-types"] == "'none'"
        assert not re.search(r"https?:", policy)


def test_nothing_of_the_page_comes_from_another_host(server: Server) -> None:
    text = server.get("/", headers=BROWSER).text
    assert [target for target in re.findall(r'(?:src|href)="([^"]+)"', text) if not target.startswith("/")] == []
    assert "<style" not in text
    assert not re.search(r"<script(?![^>]*src=)", text)


def test_files_are_compressed_and_kept_for_ever(server: Server) -> None:
    path = base_of(server) + "app/main.js"
    response = server.get(path, headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert "immutable" in response.headers["cache-control"]
    plain = server.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == response.content
    assert server.get(path, headers={"If-None-Match": response.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "name", ["app/none.js", "../page.py", "%2e%2e/page.py", "index.html", "", "app/", "style/1-base.css"]
)
def test_what_is_no_file_of_the_page_is_not_found(server: Server, name: str) -> None:
    response = server.get(base_of(server) + name)
    assert response.status_code == 404
    assert response.json()["error"].startswith("not found")


def test_files_of_another_version_are_not_found(server: Server) -> None:
    assert server.get("/page/0123456789abcdef/app/main.js").status_code == 404
    assert server.post(base_of(server) + "app/main.js").status_code == 405


def test_everything_together_is_small(server: Server) -> None:
    """The whole of what may be transferred, what is loaded only when it is needed included."""
    base, text = base_of(server), server.get("/", headers=BROWSER).text
    named = {target.removeprefix(base) for target in re.findall(rf'"({base}[^"]+)"', text)}
    found: dict[str, int] = {}
    while named:
        name = named.pop()
        body = server.get(base + name).content
        found[name] = min(len(body), len(gzip.compress(body, 9)))
        if name.endswith((".js", ".css")):
            folder = name.rpartition("/")[0]
            linked = re.findall(
                r'(?:from|import\(|new URL\(|url\()\s*[\'"](\.?[^\'"]+\.(?:js|css|woff2))[\'"]', body.decode()
            )
            named |= {normal(folder, target) for target in linked} - set(found)
    assert {"vendor/temml.js", "vendor/uplot.css", "vendor/Temml.woff2", "vendor/highlight.js"} <= set(found)
    assert sum(found.values()) <= LARGEST


def normal(folder: str, target: str) -> str:
    """Return the path that a file in ``folder`` means."""
    parts = folder.split("/")
    for part in target.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
