"""Metrics: what is served can be read by Prometheus, and says what clients saw."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import Serve
from tests.e2e.prompting import user
from tests.server import Server, free_port, wait_for
from tests.system import require

from puna.models.library import Library
from puna.models.manifests import MODEL
from puna.telemetry.metrics import COUNTERS, HISTOGRAMS

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"


def samples(server: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(server.get("/metrics").text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(server: Server, name: str, **labels: str) -> float:
    return sum(
        number
        for (found, given), number in samples(server).items()
        if found == name and labels.items() <= dict(given).items()
    )


def test_counts_agree_with_the_clients_own_books(serve: Serve) -> None:
    server = serve({})

    def ask(length: int) -> Mapping[str, int]:
        body = {"model": "cria", "messages": user("Count to ten."), "stream": False, "options": {"num_predict": length}}
        return server.ask("/api/chat", body)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(1, 13)))
    assert value(server, "puna_request_success_total", model_name="cria:latest") == len(answers)
    assert value(server, "puna_prompt_tokens_total") == sum(answer["prompt_eval_count"] for answer in answers)
    assert value(server, "puna_generation_tokens_total") == sum(answer["eval_count"] for answer in answers)
    assert value(server, "puna_e2e_request_latency_seconds_count") == len(answers)
    assert value(server, "puna_request_prompt_tokens_sum") == value(server, "puna_prompt_tokens_total")
    assert value(server, "puna_model_loads_total") == value(server, "puna_model_load_seconds_count") == 1
    assert value(server, "puna_num_requests_running") == 0
    assert value(server, "puna_model_memory_bytes", model_name="cria:latest") > 0


def test_what_goes_wrong_is_counted(serve: Serve) -> None:
    server = serve({})
    for number in range(3):
        server.post("/api/chat", {"model": f"missing-{number}", "messages": user("Hi")})
    assert value(server, "puna_refusals_total", status="404", error="ModelNotFound") == 3
    assert not any("missing" in str(labels) for _, labels in samples(server))
    server.ask("/api/generate", {"model": "cria", "stream": False})
    (runner,) = server.runners()
    runner.kill()
    wait_for(lambda: value(server, "puna_runner_losses_total", reason="crashed") == 1)
    server.ask("/api/generate", {"model": "cria", "stream": False, "keep_alive": 0})
    wait_for(lambda: value(server, "puna_model_unloads_total") >= 1)


def test_clients_that_go_away_are_counted(serve: Serve) -> None:
    server = serve({})
    options = {"num_predict": 2000, "ignore_eos": True}  # or the answer may be over before the client goes away
    stream = server.open_stream("/api/generate", {"model": "cria", "prompt": "Once", "options": options})
    next(stream)
    stream.close()
    wait_for(lambda: value(server, "puna_requests_total", outcome="gone", dialect="ollama") == 1)


def moved(server: Server) -> set[str]:
    """Return the counters and histograms that have a series, and the gauges."""
    return {re.sub("_(bucket|sum|count|total|created)$", "", name) for name, _ in samples(server)}


def test_every_name_has_a_series_that_moves(serve: Serve) -> None:
    server = serve({"PUNA_STALL_TIMEOUT": "1s", "OLLAMA_NUM_PARALLEL": "1"})
    long = "Tell me more of llamas and what they eat. " * 12
    options = {"num_predict": 4, "num_ctx": 512}
    body = {"model": "cria", "options": options, "stream": False}
    server.ask("/api/chat", {**body, "messages": user(long)})
    many = [{"role": role, "content": long} for role in ("user", "assistant") * 4]
    server.ask("/api/chat", {**body, "messages": [*many, *user("Hi")]})
    server.ask("/api/chat", {**body, "messages": user(long)})
    server.ask("/api/generate", {"model": "cria", "stream": False, "keep_alive": 0})
    wait_for(lambda: value(server, "puna_model_unloads_total") == 1)
    server.ask("/api/chat", {**body, "messages": [*user(long), *user("And then?")]})
    assert value(server, "puna_session_tokens_queried_total") >= value(server, "puna_session_tokens_restored_total") > 0
    assert 0 < value(server, "puna_prefix_cache_hits_total") < value(server, "puna_prefix_cache_queries_total")
    assert value(server, "puna_cut_prompt_tokens_total") > 0
    with ThreadPoolExecutor(2) as pool:
        endless = {**body, "prompt": "x", "options": {**options, "num_predict": 400, "ignore_eos": True}}
        first = pool.submit(server.ask, "/api/generate", endless)
        wait_for(lambda: value(server, "puna_num_requests_running", **{"class": "interactive"}) == 1)
        second = pool.submit(server.ask, "/api/generate", {**endless, "priority": "batch"})
        wait_for(lambda: value(server, "puna_num_requests_waiting", **{"class": "batch"}) == 1 or second.done())
        first.result()
        second.result()
    assert value(server, "puna_request_queue_time_seconds_count", **{"class": "batch"}) == 1
    (runner,) = server.runners()
    runner.suspend()
    assert "made no progress" in server.post("/api/chat", {**body, "messages": user("Hi")}).text
    assert value(server, "puna_runner_losses_total", reason="stalled") == 1
    digest = Library(server.world.models).get("cria").manifest.of_type(MODEL)[0].digest
    drafted = {"model": "drafted", "from": "cria", "draft_files": {"draft.gguf": digest}, "stream": False}
    server.ask("/api/create", drafted)
    server.ask("/api/chat", {**body, "model": "drafted", "messages": user("Name three colors.")})
    accepted, guessed = (f"puna_spec_decode_num_{part}_tokens_total" for part in ("accepted", "draft"))
    assert 0 < value(server, accepted) <= value(server, guessed)
    server.post("/api/chat", {"model": "nobody", "messages": user("Hi")})
    elsewhere = {"puna_model_load_failures", "puna_transfer_bytes"}
    assert {*COUNTERS, *HISTOGRAMS} - moved(server) == elsewhere
    failing = serve({"PUNA_ENGINE": "/bin/false"})
    assert failing.post("/api/chat", {**body, "messages": user("Hi")}).status_code == 500
    assert value(failing, "puna_model_load_failures_total", model_name="cria:latest") == 1


def test_every_name_that_is_drawn_or_alarms_is_served(server: Server) -> None:
    served = {name for name, _ in samples(server)} | {f"{name}_total" for name in COUNTERS}
    served |= {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")}
    text = "\n".join([*drawings(), (MONITORING / "alerts.yml").read_text()])
    drawn = set(re.findall(r"\bpuna_\w+", text))
    gauges = {"puna_model_memory_bytes", "puna_model_card_bytes"}  # only while a model is loaded
    assert drawn <= served | gauges, drawn - served


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (package prometheus)")
def test_promtool_takes_what_is_served(server: Server) -> None:
    promtool = shutil.which("promtool") or ""
    text = server.get("/metrics").text
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rules = subprocess.run(
        [promtool, "check", "rules", MONITORING / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert rules.returncode == 0, rules.stdout + rules.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (package prometheus)")
def test_the_first_event_of_its_kind_alarms(tmp_path: Path) -> None:
    """Before it there is no counter that could increase."""
    series = {
        'puna_model_load_failures_total{model_name="a:latest"}': "_x4 1x200",
        'puna_refusals_total{error="QueueFull",status="503"}': "_x4 20x20 21x180",
        'puna_runner_losses_total{model_name="a:latest",reason="crash"}': "_x4 3x200",
        'puna_runner_losses_total{model_name="b:latest",reason="crash"}': "_x4 2x200",
    }
    model = {"model_name": "a:latest"}
    wanted = [
        ("PunaLoadsFail", model, "a:latest cannot be loaded", 16),
        ("PunaQueueFull", {}, "Requests are turned away", 6),
        ("PunaRunnersLost", model | {"reason": "crash"}, "a:latest: runners are lost (crash)", 16),
    ]
    warning = {"severity": "warning"}
    alarms = [
        {"alertname": name, "eval_time": time, "exp_alerts": alerts}
        for name, labels, summary, minutes in wanted
        for time, alerts in (
            ("2m", [{"exp_labels": labels | warning, "exp_annotations": {"summary": summary}}]),
            (f"{minutes + 10}m", []),
        )
    ]
    rules = tmp_path / "test.yml"
    one = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": alarms,
    }
    rules.write_text(json.dumps({"rule_files": [str(MONITORING / "alerts.yml")], "tests": [one]}))
    tool = shutil.which("promtool") or ""
    tested = subprocess.run([tool, "test", "rules", rules], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_model_that_is_made_anew_has_one_series(serve: Serve) -> None:
    """While what it was before still answers, there are two of its name in memory."""
    server = serve({})
    forever = {"ignore_eos": True, "num_predict": 20_000}
    server.ask("/api/create", {"model": "twice", "from": "cria", "parameters": forever, "stream": False})
    lines = server.open_stream("/api/generate", {"model": "twice", "prompt": "Go on"})
    next(lines)
    server.ask("/api/create", {"model": "twice", "from": "cria", "system": "You are a llama.", "stream": False})
    server.ask("/api/generate", {"model": "twice", "prompt": "Hi", "stream": False, "options": {"num_predict": 2}})
    loaded = [model for model in server.get("/api/ps").json()["models"] if model["name"] == "twice:latest"]
    text = server.get("/metrics").text
    lines.close()
    assert len(loaded) == 2
    (size,) = re.findall(r'^puna_model_memory_bytes{model_name="twice:latest"} (.*)$', text, re.MULTILINE)
    assert float(size) == pytest.approx(sum(model["size"] for model in loaded), rel=0.1)


def test_prometheus_reads_what_is_served_and_draws_and_alarms_by_it(serve: Serve, tmp_path: Path) -> None:
    program, server, address = require("prometheus", "prometheus"), serve({}), f"127.0.0.1:{free_port()}"
    for _ in range(2):
        server.ask("/api/chat", {"model": "cria", "messages": user("Hi"), "stream": False})
    job = {"job_name": "puna", "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}
    often = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    config = {"global": often, "rule_files": [str(MONITORING / "alerts.yml")], "scrape_configs": [job]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    arguments = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *arguments, f"--web.listen-address={address}"], stdout=log, stderr=log, cwd=tmp_path
        )
    try:

        def told(what: str, **query: str) -> Any:
            with contextlib.suppress(requests.ConnectionError):
                answer = requests.get(f"http://{address}/api/v1/{what}", params=query, timeout=30)
                if answer.status_code != 503:  # it begins
                    assert answer.status_code == 200, (query, answer.text)
                    return answer.json()["data"]
            return None

        wait_for(lambda: (told("query", query="up == 1") or {}).get("result"), what="Prometheus, and a look of its")
        seen = [told("query", query=asked.replace("$__rate_interval", "1m"))["result"] for asked in drawings()]
        assert any(seen)
        groups = wait_for(lambda: evaluated(told("rules")["groups"]), what="the rules")
        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    finally:
        process.terminate()
        process.wait(30)


def drawings() -> list[str]:
    """Return what the dashboard for Grafana asks of Prometheus."""
    board = json.loads((MONITORING / "grafana.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def evaluated(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return groups if all(rule["health"] != "unknown" for group in groups for rule in group["rules"]) else []
