"""Chat templates inside a GGUF that the engine cannot read, or that do not come to an end."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Serve
from tests.e2e.jinja import with_jinja
from tests.server import Server, wait_for
from tests.system import require_native

HI = [{"role": "user", "content": "hi"}]
FEW = {"num_predict": 3, "ignore_eos": True}
LOOP = "{% for i in range(100000) %}{% for j in range(100000) %}a{% endfor %}{% endfor %}"
UNREADABLE = {
    "with": "{% with a = 1 %}{{ messages[0].content }}{% endwith %}",
    "raw": "{% raw %}{{ x }}{% endraw %}",
    "keywords": "{{ dict(**messages[0]) }}",
    "syntax": "{% if %}",
    "raises": "{{ raise_exception('boom') }}",
    "deep": "{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}",
    "recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
}
BOMBS = {
    "loop": LOOP,
    "memory": "{{ 'a' * 10000000000 }}",
    "doubling": "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}"
    "{% for i in range(34) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "later turns": "{% if messages|length > 5 %}" + LOOP + "{% endif %}{{ messages[0].content }}",
    "tools": "{% if tools %}" + LOOP + "{% endif %}{{ messages[0].content }}",
    "without thinking": "{% if enable_thinking is defined and not enable_thinking %}"
    + LOOP
    + "{% endif %}{{ messages[0].content }}",
}


def make(server: Server, name: str, jinja: str, **more: Any) -> None:
    """Make a model of cria's weights with another Jinja template."""
    data = with_jinja(jinja)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert server.post(f"/api/blobs/{digest}", data).status_code in (200, 201)
    server.ask("/api/create", {"model": name, "files": {"m.gguf": digest}, "stream": False} | more)


@pytest.fixture(params=["portable", "native"])
def any_engine(request: pytest.FixtureRequest, serve: Serve) -> Server:
    return serve({"PUNA_ENGINE": require_native()} if request.param == "native" else {})


@pytest.mark.parametrize("template", UNREADABLE.values(), ids=UNREADABLE)
def test_all_but_its_own_template_works(any_engine: Server, template: str) -> None:
    make(any_engine, "bad", template)
    asked = {"model": "bad", "prompt": "hi", "stream": False, "options": FEW}
    assert any_engine.ask("/api/generate", asked | {"raw": True})["eval_count"] == 3
    assert any_engine.ask("/api/generate", asked | {"template": "{{ .Prompt }}"})["eval_count"] == 3
    assert len(any_engine.ask("/api/embed", {"model": "bad", "input": "hi"})["embeddings"]) == 1
    for stream in (True, False):
        answer = any_engine.post("/api/chat", {"model": "bad", "messages": HI, "stream": stream})
        assert answer.status_code == 400, answer.text
        assert "the chat template inside the model cannot be used: " in answer.json()["error"]
        assert "::" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("template", "reason"),
    [("{{ raise_exception('not this way') }}", "not this way"), ("{{ 'a' | center(9) }}", "center")],
)
def test_what_a_template_fails_by_is_told(any_engine: Server, template: str, reason: str) -> None:
    make(any_engine, "failing", template)
    answer = any_engine.post("/api/chat", {"model": "failing", "messages": HI, "stream": False})
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]
    assert "parser" not in answer.json()["error"]


def test_reason_that_an_engine_lost_at_its_end_is_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    engine, told = tmp_path / "llama-server", tmp_path / "told"
    engine.write_text(
        f"""#!/bin/sh
case "$*" in
*--chat-template-file*) [ -e {told} ] || {{ touch {told}; exec {require_native()} "$@" 2>/dev/null; }} ;;
esac
exec {require_native()} "$@"
"""
    )
    engine.chmod(0o755)
    server = serve({"PUNA_ENGINE": str(engine)})
    make(server, "failing", "{{ raise_exception('not this way') }}")
    answer = server.post("/api/chat", {"model": "failing", "messages": HI, "stream": False})
    assert told.exists()
    assert "not this way" in answer.json()["error"]


def test_a_model_with_a_template_of_its_own_works(any_engine: Server) -> None:
    make(any_engine, "own", UNREADABLE["with"], template="{{ .Prompt }}")
    assert any_engine.ask("/api/chat", {"model": "own", "messages": HI, "stream": False, "options": FEW})["done"]


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_a_bad_request_and_bounded(any_engine: Server, template: str) -> None:
    make(any_engine, "bomb", template)
    answer = any_engine.post("/api/chat", {"model": "bomb", "messages": HI, "stream": False})
    assert answer.status_code == 400, answer.text
    assert "than a template may" in answer.json()["error"]
    assert any_engine.ask("/api/chat", {"model": "cria", "messages": HI, "stream": False, "options": FEW})["done"]


def test_a_trial_is_made_once(serve: Serve) -> None:
    server = serve()
    make(server, "bad", UNREADABLE["with"])
    asked = {"model": "bad", "messages": HI, "stream": False}
    reason = server.post("/api/chat", asked).json()["error"]
    (kept,) = (server.world.home / ".puna" / "templates").iterdir()
    changed = kept.stat().st_mtime_ns
    server.stop()
    again = serve(world=server.world)
    assert again.post("/api/chat", asked).json()["error"] == reason
    assert kept.stat().st_mtime_ns == changed


def test_those_beside_a_bomb_are_told_why_their_runner_ended(serve: Serve) -> None:
    server = serve()
    make(server, "late", "{% if messages[-1].content == 'now' %}" + LOOP + "{% endif %}{{ messages[-1].content }}")
    body = {"model": "late", "messages": HI, "stream": False, "options": FEW}
    assert server.ask("/api/chat", body)["done"]
    endless = {"model": "late", "prompt": "x", "raw": True, "options": {"num_predict": 100_000, "ignore_eos": True}}
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(server.stream, "/api/generate", endless)
        now = body | {"messages": [{"role": "user", "content": "now"}], "format": "json"}
        assert server.post("/api/chat", now).status_code == 400
        assert "went on working for 10 seconds" in beside.result()[-1]["error"]


@pytest.mark.parametrize("more", [{}, {"format": "json"}], ids=["by the chat itself", "apart from its answer"])
def test_a_bomb_that_waits_for_its_word_is_a_bad_request_and_bounded(serve: Serve, more: dict[str, Any]) -> None:
    server = serve()
    make(server, "late", "{% if messages[-1].content == 'now' %}" + LOOP + "{% endif %}{{ messages[-1].content }}")
    body = {"model": "late", "messages": HI, "stream": False, "options": FEW}
    assert server.ask("/api/chat", body)["done"]
    answer = server.post("/api/chat", body | {"messages": [{"role": "user", "content": "now"}]} | more)
    assert answer.status_code == 400, answer.text
    assert "did not come to an end within 10 seconds" in answer.json()["error"]
    assert server.ask("/api/chat", body)["done"]


def test_a_server_that_ends_ends_the_trial_of_a_template(serve: Serve, socket_path: Path) -> None:
    server = serve({"TMPDIR": str(socket_path)})
    make(server, "bad", LOOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, "/api/chat", {"model": "bad", "messages": HI})
        wait_for(lambda: list(socket_path.glob("puna-runner-*/early.sock")), what="the trial")
        server.stop()
        assert asked.result().status_code == 503
    assert not list(socket_path.iterdir())
