"""Nobody gets in without a key, whatever is asked for in whatever way, and each route says what it takes."""

import base64
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route
from tests.keys.conftest import MakeKey, bearer, key_of
from tests.keys.doors import METHODS, knock, knocks, targets, whole_app
from tests.server import Server

from puna.accounts.grant import ADMIN, ANY
from puna.api.access.scopes import ScopeTable, declared, flat, needs
from puna.builtin import CRIA, STORE
from puna.models.library import Library
from puna.scheduler.tuned import Tuned
from puna.scheduler.tuning_store import Measured, TuningKey, TuningStore

ASKED: dict[str, Any] = {
    "model": "cria",
    "stream": False,
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 2,
}


def test_every_route_declares_its_scope() -> None:
    app = whole_app()
    assert len(list(flat(app.routes))) > 100
    assert [getattr(route, "path", route) for route in app.state.scopes.undeclared()] == []


def test_a_route_that_declares_nothing_takes_an_admin() -> None:
    @needs(ANY)
    async def open_route() -> None: ...

    async def new_route() -> None: ...

    table = ScopeTable([Route("/new", new_route), Route("/open", open_route)], {})
    assert [getattr(route, "path", "") for route in table.undeclared()] == ["/new"]
    asked = [{"type": "http", "method": "GET", "path": path, "headers": []} for path in ("/new", "/open", "/x")]
    scopes = [table.of(scope) for scope in asked]
    assert scopes == [ADMIN, ANY, ANY]
    with pytest.raises(ValueError, match="no scope 'x'"):
        needs("x")


def test_the_order_of_decorators_does_not_hide_a_scope() -> None:
    for route in flat(whole_app().routes):
        if getattr(route, "path", "").startswith("/api/"):
            assert declared(route), route


def test_nobody_gets_in(guarded: Server, make_key: MakeKey) -> None:
    assert len(targets()) * len(METHODS) > 500
    revoked = make_key("revoked", expires="2001-01-01")
    statuses, inside = knock(("127.0.0.1", guarded.port), knocks(3000, [revoked]))
    assert inside == []
    assert statuses[401] > 2000, statuses


def test_preflight_alone_is_answered_without_a_key(guarded: Server) -> None:
    asked = {"Origin": "http://localhost", "Access-Control-Request-Method": "POST"}
    assert guarded.request("OPTIONS", "/api/chat", headers=asked).status_code == 204
    assert guarded.request("OPTIONS", "/api/chat").status_code == 401
    assert guarded.get("/api/tags", headers={"Origin": "http://localhost"}).status_code == 401


def test_each_form_in_which_clients_send_a_key(guarded: Server, make_key: MakeKey) -> None:
    text = make_key()
    pairs = [base64.b64encode(pair.encode()).decode() for pair in (f"anybody:{text}", f"{text}:", f":{text}")]
    forms: list[dict[str, str]] = [{"Authorization": f"Basic {pair}"} for pair in pairs]
    forms += [{"Authorization": f"{scheme} {text}"} for scheme in ("Bearer", "bearer", "BEARER ")]
    forms += [{"x-api-key": text}, {"x-api-key": text, "Authorization": "Bearer dummy"}]
    for headers in forms:
        assert guarded.get("/api/tags", headers=headers).status_code == 200, headers


def test_the_refusal_is_the_same_whatever_is_wrong(guarded: Server, make_key: MakeKey) -> None:
    right = make_key()
    other = "A" if right[-1] != "A" else "B"
    wrong = [right[:-1] + other, f"puna_{'0' * 16}_{right[-43:]}", make_key("b", expires="2001-01-01")]
    answers = [guarded.get("/api/tags", headers=bearer(text)) for text in (*wrong, "x")] + [guarded.get("/api/tags")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, '{"error":"unauthorized"}')}
    assert len({answer.headers["www-authenticate"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/tags", "ollama"), ("/v1/models", "openai"), ("/v1/messages", "anthropic")],
)
def test_refusals_have_the_shape_of_the_dialect(guarded: Server, path: str, kind: str) -> None:
    error = guarded.get(path).json()
    if kind == "ollama":
        assert error == {"error": "unauthorized"}
    else:
        assert error["error"]["type"] == "authentication_error"
        assert (error.get("type") == "error") is (kind == "anthropic")


SCOPED = [
    ("POST", "/api/chat", "infer"),
    ("POST", "/api/generate", "infer"),
    ("POST", "/api/embed", "infer"),
    ("POST", "/v1/chat/completions", "infer"),
    ("POST", "/v1/messages", "infer"),
    ("POST", "/api/pull", "pull"),
    ("POST", "/api/push", "create"),
    ("POST", "/api/create", "create"),
    ("POST", "/api/copy", "create"),
    ("DELETE", "/api/delete", "create"),
    ("HEAD", "/api/blobs/sha256:x", "create"),
    ("POST", "/api/puna/verify", "admin"),
    ("DELETE", "/api/puna/sessions", "admin"),
    ("GET", "/api/puna/keys", "admin"),
    ("DELETE", "/api/puna/keys/x", "admin"),
]


def test_scopes_hold(guarded: Server, make_key: MakeKey) -> None:
    for scope in ("infer", "pull", "registry", "create", "admin"):
        headers = bearer(make_key(scope, scopes=[scope]))
        for method, path, needed in SCOPED:
            answer = guarded.request(method, path, b"{}", headers=headers)
            allowed = scope in (needed, "admin")
            assert (answer.status_code != 403) is allowed, (scope, method, path, answer.text)
        for path in (
            "/",
            "/api/version",
            "/api/tags",
            "/v1/models",
            "/docs",
            "/docs/assets/swagger-ui.css",
            "/api/puna/usage",
        ):
            assert guarded.get(path, headers=headers).status_code == 200, path
        assert guarded.get("/nope", headers=headers).status_code == 404
        assert guarded.get("/api/chat", headers=headers).status_code == 405


def test_routes_hold(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(routes=["/api/chat", "/v1/*"]))
    assert guarded.post("/api/chat", ASKED, headers=headers).status_code == 200
    for path in ("/api/generate", "/api/chat/", "/", "/docs"):
        answer = guarded.post(path, ASKED, headers=headers)
        assert (answer.status_code, answer.json()) == (403, {"error": "this key may not use this route"}), path
    assert guarded.post("/v1/nope", ASKED, headers=headers).status_code == 404


def test_models_hold_and_nothing_tells_of_others(guarded: Server, make_key: MakeKey) -> None:
    root = bearer(make_key("root", scopes=["admin"]))
    assert guarded.post("/api/copy", {"source": "cria", "destination": "secret:1"}, headers=root).status_code == 200
    headers = bearer(make_key(models=["cria*", "mine/*"], scopes=["infer", "create", "pull"]))

    def names(path: str) -> list[str]:
        return [model["name"] for model in guarded.get(path, headers=headers).json()["models"]]

    assert names("/api/tags") == ["cria:latest"]
    assert [entry["id"] for entry in guarded.get("/v1/models", headers=headers).json()["data"]] == ["cria:latest"]
    hidden, absent = (guarded.get(f"/v1/models/{name}", headers=headers) for name in ("secret:1", "absent:1"))
    assert (hidden.status_code, hidden.text) == (404, absent.text.replace("absent", "secret"))
    assert guarded.post("/api/chat", {**ASKED, "model": "secret:1"}, headers=root).status_code == 200
    assert "secret:1" not in names("/api/ps")
    for method, path, body in [
        ("POST", "/api/chat", ASKED),
        ("POST", "/api/generate", {"prompt": "x"}),
        ("POST", "/api/generate", {"keep_alive": 0}),
        ("POST", "/api/embed", {"input": "x"}),
        ("POST", "/api/embeddings", {"prompt": "x"}),
        ("POST", "/api/show", {}),
        ("DELETE", "/api/delete", {}),
        ("POST", "/api/copy", {"source": "secret:1", "destination": "mine/x"}),
        ("POST", "/api/create", {"model": "mine/x", "from": "secret:1"}),
    ]:
        answers = []
        for name in ("secret:1", "absent:1"):
            renamed = {**body, "model": name} | ({"source": name} if "source" in body else {})
            renamed |= {"model": "mine/x", "from": name} if "from" in body else {}
            answer = guarded.request(method, path, renamed, headers=headers)
            answers.append((answer.status_code, answer.text.replace(name, "NAME")))
        assert answers[0] == answers[1], (path, answers)
        assert answers[0][0] == 404, (path, answers)
    assert guarded.post("/api/copy", {"source": "cria", "destination": "other"}, headers=headers).status_code == 403
    assert guarded.post("/api/pull", {"model": "secret:1"}, headers=headers).status_code == 403
    assert guarded.post("/api/pull", {"all": True, "dry_run": True}, headers=headers).status_code == 403
    assert guarded.post("/api/create", {"model": "other", "from": "cria"}, headers=headers).status_code == 403
    assert guarded.post("/api/copy", {"source": "cria", "destination": "mine/x"}, headers=headers).status_code == 200
    assert sorted(names("/api/tags")) == ["cria:latest", "mine/x:latest"]
    for name in ("mine/x", "secret:1"):
        assert guarded.request("DELETE", "/api/delete", {"model": name}, headers=root).status_code == 200


def test_requests_and_measurements_of_hidden_models_are_not_told(guarded: Server, make_key: MakeKey) -> None:
    root = bearer(make_key("root", scopes=["admin"]))
    assert guarded.post("/api/copy", {"source": "cria", "destination": "secret:1"}, headers=root).status_code == 200
    assert guarded.post("/api/chat", {**ASKED, "model": "secret:1"}, headers=root).status_code == 200
    key = TuningKey.of(Library(STORE).get(CRIA), "x")
    tuning = TuningStore(guarded.world.home / ".puna" / "tuning")
    tuning.put(Measured(key, "secret:1", Tuned(threads=1), {}, "2026-11-27T10:00:00+00:00"))
    headers = bearer(make_key(models=["cria*"]))
    assert guarded.post("/api/chat", ASKED, headers=headers).status_code == 200
    for path, name in (("/api/puna/requests", "requests"), ("/api/puna/engine", "tuned")):
        seen, told = (
            {entry["model"] for entry in guarded.get(path, headers=of).json()[name]} for of in (root, headers)
        )
        assert "secret:1" in seen and told <= seen & {"cria:latest"}, path
    tuning.remove(None)
    assert guarded.request("DELETE", "/api/delete", {"model": "secret:1"}, headers=root).status_code == 200


def test_requests_of_others_are_a_number(guarded: Server, make_key: MakeKey) -> None:
    grants = {"root": ["admin"], "one": ["infer"], "other": ["infer"]}
    root, one, other = (bearer(make_key(name, scopes=scopes)) for name, scopes in grants.items())
    for headers, name in ((root, "mine-root"), (one, "mine-one"), (one, "mine-one-too")):
        assert guarded.post("/api/chat", ASKED, headers={**headers, "X-Request-Id": name}).status_code == 200

    def told(headers: dict[str, str]) -> tuple[set[str], int]:
        answer = guarded.get("/api/puna/requests", headers=headers).json()
        return {entry["id"] for entry in answer["requests"] if entry["id"].startswith("mine")}, answer["others"]

    assert told(root) == ({"mine-root", "mine-one", "mine-one-too"}, 0)
    assert told(one)[0] == {"mine-one", "mine-one-too"} and told(one)[1] >= 1
    assert told(other)[0] == set() and told(other)[1] == told(one)[1] + 2


def test_making_a_model_of_one_that_is_not_here_takes_the_scope_to_pull(guarded: Server, make_key: MakeKey) -> None:
    headers = bearer(make_key(scopes=["create"]))
    answer = guarded.post("/api/create", {"model": "x", "from": "absent:1"}, headers=headers)
    assert (answer.status_code, answer.json()) == (403, {"error": "this key may not do this: it takes the scope pull"})


def test_requests_of_others_are_not_seen_nor_cancelled(guarded: Server, make_key: MakeKey) -> None:
    mine, other, root = bearer(make_key("mine")), bearer(make_key("other")), bearer(make_key("r", scopes=["admin"]))
    long = {"model": "cria", "prompt": "x", "options": {"num_predict": 20000, "ignore_eos": True}}
    headers = {**mine, "X-Request-Id": "mine-1"}
    with guarded.session.post(
        f"{guarded.url}/api/generate", json=long, headers=headers, stream=True, timeout=60
    ) as answer:
        assert answer.status_code == 200
        who = {"mine": mine, "other": other, "root": root}
        seen = {name: guarded.get("/api/queue", headers=key).json()["requests"] for name, key in who.items()}
        assert {name: len(entries) for name, entries in seen.items()} == {"mine": 1, "other": 0, "root": 1}
        missing = guarded.request("DELETE", "/api/queue/none-1", headers=other)
        refused = guarded.request("DELETE", "/api/queue/mine-1", headers=other)
        assert (refused.status_code, refused.text) == (404, missing.text.replace("none-1", "mine-1"))
        assert guarded.request("DELETE", "/api/queue/mine-1", headers=mine).status_code == 200


def test_metrics_are_for_keys_that_are_not_held_to_models(guarded: Server, make_key: MakeKey) -> None:
    assert guarded.get("/metrics").status_code == 401
    scraper = bearer(make_key("scraper", routes=["/metrics"]))
    assert guarded.post("/api/chat", ASKED, headers=bearer(make_key())).status_code == 200
    answer = guarded.get("/metrics", headers=scraper)
    assert answer.status_code == 200
    assert "puna_request_success_total{" in answer.text, "requests with keys are counted as well"
    assert guarded.post("/api/chat", ASKED, headers=scraper).status_code == 403
    assert guarded.get("/metrics", headers=bearer(make_key("held", models=["x*"]))).status_code == 403


def test_login_counts_as_admin_beside_keys(serve: Any) -> None:
    server = serve({"OLLAMA_BASIC_AUTH": "ada:secret"})
    login = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}
    made = server.post("/api/puna/keys", {"name": "bob", "scopes": ["infer"]}, headers=login)
    assert made.status_code == 200, made.text
    key = bearer(made.json()["key"])
    assert server.get("/api/tags", headers=key).status_code == 200
    assert server.get("/api/puna/keys", headers=key).status_code == 403
    listed = server.get("/api/puna/keys", headers=login).json()["keys"]
    assert [(entry["name"], entry["state"], "key" in entry) for entry in listed] == [("bob", "active", False)]
    assert server.get("/api/tags").status_code == 401


def test_an_open_server_lets_nobody_make_the_first_key_from_afar(serve: Any) -> None:
    server = serve()
    answer = server.post("/api/puna/keys", {"name": "eve", "scopes": ["admin"]})
    assert answer.status_code == 403
    assert "puna key create" in answer.json()["error"]
    assert not Path(server.world.home / ".puna" / "accounts.db").exists()
    assert server.get("/api/tags").status_code == 200
    text = key_of(server.world, "ada")
    assert server.get("/api/tags").status_code == 401, "from the first key on"
    assert server.get("/api/tags", headers=bearer(text)).status_code == 200


def test_changes_by_others_are_seen_after_the_server_has_used_the_file(guarded: Server, make_key: MakeKey) -> None:
    root = bearer(make_key("root", scopes=["admin"]))
    for _ in range(2):
        assert guarded.get("/api/puna/usage", headers=root).status_code == 200
        done = guarded.world.run("key", "create", "fresh", "--expires", "1h")
        assert done.returncode == 0, done.stderr
        fresh = bearer(done.stdout.strip())
        assert guarded.get("/api/tags", headers=fresh).status_code == 200
        assert guarded.get("/api/puna/keys", headers=root).status_code == 200
        assert guarded.world.run("key", "revoke", "fresh").returncode == 0
        assert guarded.get("/api/tags", headers=fresh).status_code == 401


def test_sockets_need_what_their_routes_say() -> None:
    scopes = whole_app().state.scopes
    assert scopes.of({"type": "websocket", "path": "/v1/responses", "headers": []}) == "infer"
