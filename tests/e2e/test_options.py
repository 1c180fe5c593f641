"""Options: each is accepted, a wrong one is named, an unknown one is in the log."""

from typing import Any

import pytest
from tests.server import Server

from puna.inference.options import OPTION_NAMES

VALUES: dict[str, Any] = {
    "seed": 7,
    "temperature": 0.5,
    "top_k": 20,
    "top_p": 0.8,
    "min_p": 0.05,
    "typical_p": 0.7,
    "repeat_last_n": -1,
    "repeat_penalty": 1.2,
    "presence_penalty": 1.5,
    "frequency_penalty": 1.0,
    "mirostat": 1,
    "mirostat_tau": 0.8,
    "mirostat_eta": 0.6,
    "num_predict": 3,
    "num_keep": 5,
    "stop": ["\n", "user:"],
    "num_ctx": 1024,
    "num_batch": 64,
    "num_gpu": 0,
    "main_gpu": 0,
    "num_thread": 2,
    "use_mmap": False,
    "use_mlock": False,
    "numa": False,
    "draft_num_predict": 4,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.1,
    "dry_multiplier": 0.8,
    "dry_base": 1.75,
    "dry_allowed_length": 2,
    "dry_penalty_last_n": -1,
    "dry_sequence_breakers": ["\n", ":"],
    "top_n_sigma": 1.5,
    "dynatemp_range": 0.2,
    "dynatemp_exponent": 1.0,
    "min_keep": 1,
    "logit_bias": {"5": -1.5, "hello": False},
    "ignore_eos": True,
    "samplers": ["top_k", "top_p", "temperature"],
    "grammar": 'root ::= "yes" | "no"',
    "lora": [],
    "think": False,
    "truncate": True,
    "shift": False,
    "thinking_budget": 5,
}


def test_every_option_has_a_value_here() -> None:
    assert set(VALUES) == set(OPTION_NAMES)


@pytest.mark.parametrize("name", OPTION_NAMES)
def test_option_is_accepted(server: Server, name: str) -> None:
    options = {"num_predict": 3, "seed": 1} | {name: VALUES[name]}
    body = {"model": "cria", "prompt": "x", "stream": False, "options": options}
    answer = server.ask("/api/generate", body)
    assert 0 <= answer["eval_count"] <= 3
    assert answer["done"] is True


@pytest.mark.parametrize("name", OPTION_NAMES)
def test_wrong_type_is_named(server: Server, name: str) -> None:
    wrong: Any = 5 if isinstance(VALUES[name], str | list) else {"no": "such"}
    if name == "logit_bias":
        wrong = "text"
    for path, body in (("generate", {"prompt": "x"}), ("embed", {"input": "x"})):
        response = server.post(f"/api/{path}", {"model": "cria", "options": {name: wrong}} | body)
        assert response.status_code == 400
        assert response.json()["error"].startswith(f'option "{name}" must be ')


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("top_p", 1.5),
        ("min_p", -1),
        ("typical_p", 2),
        ("mirostat", 3),
        ("num_ctx", -1),
        ("num_thread", 100_000),
        ("seed", 2**63),
        ("xtc_probability", 1.1),
        ("presence_penalty", 3),
        ("samplers", ["magic"]),
        ("logit_bias", {"x": "y"}),
        ("num_predict", 1.5),
        ("use_mmap", "yes"),
        ("think", "very"),
    ],
)
def test_wrong_range_is_named(server: Server, name: str, value: Any) -> None:
    response = server.post("/api/generate", {"model": "cria", "prompt": "x", "options": {name: value}})
    assert response.status_code == 400
    assert response.json()["error"].startswith(f'option "{name}" must be ')


def test_wrong_value_at_the_top_level_is_named(server: Server) -> None:
    response = server.post("/api/generate", {"model": "cria", "prompt": "x", "top_p": 7})
    assert response.status_code == 400
    assert 'option "top_p"' in response.json()["error"]


def test_unknown_option_is_a_warning(server: Server) -> None:
    options = {"num_predict": 1, "temprature_of_a_test": 0.1, "tfs_z": 1.0}
    server.ask("/api/generate", {"model": "cria", "prompt": "x", "stream": False, "options": options})
    assert "WARNING puna.api.services: /api/generate: unknown options: temprature_of_a_test\n" in server.log()


def test_unknown_field_is_a_warning(server: Server) -> None:
    body = {"model": "cria", "prompt": "x", "stream": False, "max_tokens": 1, "strem_of_a_test": False}
    server.ask("/api/generate", body)
    assert "/api/generate: unknown fields in the request: strem_of_a_test\n" in server.log()


def test_grammar_rules_the_answer(server: Server) -> None:
    body = {"model": "cria", "prompt": "x", "stream": False, "options": {"grammar": 'root ::= "yes" | "no"'}}
    assert server.ask("/api/generate", body)["response"] in {"yes", "no"}


@pytest.mark.parametrize(
    "bound", [{"options": {"grammar": "root ::= [a-z]+"}}, {"format": "json"}], ids=["grammar", "format"]
)
def test_a_sampler_that_ends_answers_ends_none_that_is_bound(server: Server, bound: dict[str, Any]) -> None:
    for seed in range(4):
        options = {"samplers": ["infill"], "ignore_eos": True, "num_predict": 8, "seed": seed} | bound.get(
            "options", {}
        )
        body = {"model": "cria", "prompt": "1e999", "stream": False} | bound | {"options": options}
        assert server.ask("/api/generate", body)["response"]


def test_logit_bias_rules_the_answer(server: Server) -> None:
    greedy: dict[str, Any] = {"num_predict": 1, "temperature": 0, "ignore_eos": True}
    body = {"model": "cria", "prompt": "x", "stream": False, "logprobs": True, "top_logprobs": 2, "options": greedy}
    likely, other = (entry["token"] for entry in server.ask("/api/generate", body)["logprobs"][0]["top_logprobs"])
    body["options"] = greedy | {"logit_bias": {likely: False}}
    assert server.ask("/api/generate", body)["response"] == other


def test_context_asked_for_is_the_context_there(server: Server) -> None:
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0})  # a larger context would serve as well
    server.ask("/api/generate", {"model": "cria", "options": {"num_ctx": 512}})
    assert server.loaded()["cria:latest"]["context_length"] == 512
    server.ask("/api/generate", {"model": "cria", "options": {"num_ctx": 1 << 20}})
    assert server.loaded()["cria:latest"]["context_length"] == 8192, "the model's own"


def test_parameters_of_the_model_hold_unless_the_request_says_otherwise(server: Server) -> None:
    parameters = {"num_predict": 2, "ignore_eos": True}
    server.ask("/api/create", {"model": "two-tokens", "from": "cria", "parameters": parameters, "stream": False})
    body = {"model": "two-tokens", "prompt": "x", "stream": False}
    assert server.ask("/api/generate", body)["eval_count"] == 2
    assert server.ask("/api/generate", body | {"options": {"num_predict": 4}})["eval_count"] == 4
    server.request("DELETE", "/api/delete", {"model": "two-tokens"})
