"""What the page tells of use, and of the engine that runs models."""

from pathlib import Path
from typing import Any

from tests.conftest import Serve
from tests.keys.conftest import bearer, key_of
from tests.page.steps import expect
from tests.server import Server

from puna.builtin import CRIA, STORE
from puna.models.library import Library
from puna.scheduler.tuned import Tuned
from puna.scheduler.tuning_store import Measured, TuningKey, TuningStore


def test_usage_is_added_up_and_saved(open_page: Any, serve: Serve) -> None:
    server = serve()
    key = key_of(server.world, "boss", scopes=["admin"])
    asked = {"model": "cria", "prompt": "Hello", "stream": False, "options": {"num_predict": 4}}
    assert server.post("/api/generate", asked, headers=bearer(key)).status_code == 200
    (used,) = server.get("/api/puna/usage", headers=bearer(key)).json()["usage"]
    page = open_page("/", of=server, allowed="401 (Unauthorized)")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("link", name="Usage").click()
    table = page.get_by_role("region", name="Usage")
    row = table.locator("tbody tr", has_text="cria")
    expect(row.locator("td").nth(0)).to_have_text("boss")
    expect(row.locator("td").nth(5)).to_have_text(str(used["generated_tokens"]))
    page.get_by_label("key", exact=True).uncheck()
    page.get_by_label("day", exact=True).check()
    assert table.locator("thead th").all_inner_texts()[:2] == ["day", "model"]
    expect(table.locator("tbody tr").first).to_contain_text(used["day"])
    for name in ("day", "model"):
        page.get_by_label(name, exact=True).uncheck()
    assert table.locator("tbody tr").count() == 1
    page.get_by_label("Period").select_option("1")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("day,key,model,requests,prompt_tokens")
    assert lines[1].startswith(f"{used['day']},boss,cria:latest,1,")


def test_engine_and_what_was_measured_are_shown(open_page: Any, server: Server) -> None:
    cria = Library(STORE).get(CRIA)
    store = TuningStore(server.world.home / ".puna" / "tuning")
    key = TuningKey.of(cria, "xllamacpp 1")
    store.put(Measured(key, str(cria.name), Tuned(threads=1), {"chat": 1.5}, "2026-11-27T10:00:00+00:00"))
    store.put(Measured(TuningKey.of(cria, "x"), "gone:latest", Tuned(), {}, "2026-11-27T10:00:00+00:00"))
    told = server.get("/api/puna/engine").json()
    assert told["engine"] == "portable"
    assert told["instructions"]
    (tuned,) = told["tuned"]
    assert (tuned["model"], tuned["runs_with"], tuned["speeds"]) == ("cria:latest", "threads 1/1", {"chat": 1.5})
    page = open_page("/#/models")
    engine = page.locator(".engine")
    engine.get_by_text("portable", exact=True).wait_for()
    expect(engine).to_contain_text(told["version"])
    expect(engine.get_by_text("puna engine build")).to_have_count(1 if told["factor"] else 0)
    page.get_by_role("link", name="cria", exact=True).first.click()
    details = page.locator("dialog")
    details.get_by_text("Runs on the engine “portable”.").wait_for()
    details.get_by_text("runs with: threads 1/1. chat 1.5×").wait_for()
    store.remove(None)
