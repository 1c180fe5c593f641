"""The view of what the server does: what is in memory, who waits, what is over, and plots of it."""

import re
from typing import Any

from tests.page.steps import expect
from tests.server import Server, wait_for


def test_server_is_seen_at_work(server: Server, open_page: Any) -> None:
    server.ask("/api/chat", {"model": "cria", "stream": False, "messages": [{"role": "user", "content": "Hello!"}]})
    forever = {"ignore_eos": True, "num_predict": 20_000}
    lines = server.open_stream("/api/generate", {"model": "cria", "prompt": "Go on", "options": forever})
    next(lines)
    page = open_page("/#/now")
    loaded = page.locator(".model", has_text="cria").first
    loaded.get_by_text("2,048 tokens").wait_for()
    queue = page.get_by_role("region", name="Queue")
    queue.get_by_text("running").first.wait_for()
    queue.get_by_role("button", name="Cancel").first.click()
    page.get_by_text("No request runs or waits.").wait_for()
    lines.close()
    over = page.get_by_role("region", name="Last requests").locator("tbody tr")
    expect(over.first).to_contain_text(re.compile(r"cria.*(left|failed)", re.DOTALL))
    expect(over.nth(1)).to_contain_text("done")
    assert page.locator(".plot canvas").count() == 4
    assert re.search(r"machine\s*[\d.,]+ GB", page.locator(".plot").first.inner_text())
    loaded.get_by_role("button", name="Unload").click()
    wait_for(lambda: "cria:latest" not in server.loaded(), what="the model to leave")
    page.get_by_text("Saved conversations").wait_for()


def test_machine_and_requests_are_told(server: Server) -> None:
    machine = server.get("/api/puna/machine").json()
    assert 0 < machine["memory"]["available"] <= machine["memory"]["total"]
    assert machine["processors"] >= 1
    response = server.post("/api/generate", {"model": "cria", "prompt": "secret words", "stream": False})
    requests = server.get("/api/puna/requests").json()["requests"]
    assert "secret" not in str(requests)
    (entry,) = [entry for entry in requests if entry["id"] == response.headers["x-request-id"]]
    assert (entry["model"], entry["outcome"], entry["dialect"]) == ("cria:latest", "done", "ollama")
    assert entry["generated"] == response.json()["eval_count"]
    assert 0 < entry["ready"] <= entry["first"] <= entry["duration"]


def test_modelfile_becomes_fields(server: Server) -> None:
    text = "FROM cria\nPARAMETER stop a\nPARAMETER stop b\nMESSAGE user hi\nLICENSE MIT\nSYSTEM You are a llama.\n"
    assert server.ask("/api/puna/modelfile", {"modelfile": text}) == {
        "from": "cria",
        "system": "You are a llama.",
        "license": ["MIT"],
        "parameters": {"stop": ["a", "b"]},
        "messages": [{"role": "user", "content": "hi"}],
    }
    response = server.post("/api/puna/modelfile", {"modelfile": "SYSTEM x"})
    assert (response.status_code, response.json()) == (400, {"error": "Modelfile: no FROM line"})
