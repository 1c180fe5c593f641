"""A llama-server that was built for this machine in the place of the portable engine."""

import json
import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from math import exp
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from jsonschema import Draft202012Validator
from tests.conftest import Serve
from tests.e2e.prompting import WEATHER, chat, user
from tests.e2e.schemas import SchemaMaker
from tests.e2e.test_images import BLUE, RED, look, make_seeing
from tests.server import Server, World, wait_for
from tests.system import require_native

from puna.engine.engines import About, Engines

GREEDY = {
    "model": "cria",
    "prompt": "Once upon a time",
    "stream": False,
    "options": {"temperature": 0, "num_predict": 24},
}
COUNT = 60
ENDLESS = {"model": "cria", "prompt": "x", "options": {"num_predict": 10_000_000, "ignore_eos": True}}
LONG_TALK = "The llama walks over the high plain and looks for grass. " * 12


@pytest.fixture
def native(serve: Serve) -> Server:
    return serve({"PUNA_ENGINE": require_native()})


def programs(server: Server) -> list[str]:
    return [Path(runner.exe()).name for runner in server.runners()]


def install(world: World, name: str = "native") -> Engines:
    """Put the native engine under a name into the home of a world."""
    engines = Engines(world.home / ".puna")
    (engines.root / name / "bin").mkdir(parents=True)
    shutil.copy2(require_native(), engines.root / name / "bin" / "llama-server")
    (engines.root / name / "about.json").write_text(About(source="a test", version="1").to_json())
    return engines


def test_answers_are_those_of_the_portable_engine(native: Server, server: Server) -> None:
    """Up to rounding: other instructions add in another order, so that answers may part where two are as likely."""
    body = GREEDY | {"raw": True, "logprobs": True}
    one, other = (each.ask("/api/generate", body)["logprobs"][0] for each in (native, server))
    assert one["token"] == other["token"]
    assert one["logprob"] == pytest.approx(other["logprob"], abs=0.2)
    asked = {"model": "cria", "input": ["a llama", "the high plain, where it is cold"]}
    ours, theirs = (each.ask("/api/embed", asked)["embeddings"] for each in (native, server))
    assert [sum(a * b for a, b in zip(x, y, strict=True)) for x, y in zip(ours, theirs, strict=True)] == pytest.approx(
        [1.0, 1.0], abs=1e-3
    )
    assert set(programs(native)) == {"llama-server"}


def test_attention_of_a_build_answers_as_the_plain_way(serve: Serve) -> None:
    """For prompts of one tile and of many, and for several at once, which lie side by side in one cache."""
    flash, plain = (serve({"PUNA_ENGINE": require_native(), "OLLAMA_FLASH_ATTENTION": on}) for on in "10")
    told = [f"{number}. " + "The llama looks for grass. " * count for number, count in enumerate((1, 9, 40, 150))]
    prompts = [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in told]

    def first_tokens(server: Server) -> list[dict[str, float]]:
        body = {"model": "cria", "raw": True, "stream": False, "logprobs": True, "top_logprobs": 5}
        with ThreadPoolExecutor(len(prompts)) as pool:
            asked = [body | {"prompt": prompt, "options": {"temperature": 0, "num_predict": 1}} for prompt in prompts]
            answers = pool.map(lambda request: server.ask("/api/generate", request)["logprobs"][0], asked)
            return [{entry["token"]: exp(entry["logprob"]) for entry in answer["top_logprobs"]} for answer in answers]

    for found, wanted in zip(first_tokens(flash), first_tokens(plain), strict=True):
        both = found.keys() & wanted.keys()
        assert len(both) >= 3
        assert [found[token] for token in both] == pytest.approx([wanted[token] for token in both], abs=0.015)


def test_engine_is_named_where_the_server_begins(native: Server) -> None:
    assert f"engine: llama.cpp ({require_native()} " in native.line


def test_key_is_not_where_others_can_read_it(native: Server) -> None:
    native.ask("/api/generate", {"model": "cria"})
    (runner,) = native.runners()
    key = runner.environ()["LLAMA_API_KEY"]
    assert len(key) > 20
    assert not any(key in part for part in runner.cmdline())


def test_tools_and_thinking_work(native: Server) -> None:
    answer = chat(native, user("What is the weather in Lhasa?"), tools=[WEATHER], options={"temperature": 0})
    assert answer["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert chat(native, user("Is 7 a prime number?"), think=True, options={"temperature": 0})["message"]["thinking"]


@pytest.mark.parametrize("begun", [("The sky",), ("The sky", " is")])
def test_an_answer_that_is_gone_on_with_is_not_said_again(native: Server, begun: tuple[str, ...]) -> None:
    messages = [*user("Why is the sky blue?"), *({"role": "assistant", "content": text} for text in begun)]
    body = {"model": "cria", "messages": messages, "max_tokens": 8, "think": False}
    *pieces, last = native.stream("/api/chat", body)
    said = [
        "".join(piece["message"]["content"] for piece in pieces),
        native.ask("/v1/chat/completions", body)["choices"][0]["message"]["content"],
        native.ask("/v1/messages", body | {"stop_sequences": ["The"]})["content"][0]["text"],
    ]
    assert last["done"]
    assert all(said)
    assert not any("The sky" in text for text in said)


def test_answers_to_random_schemas_are_valid(native: Server) -> None:
    ended = 0
    for seed in range(COUNT):
        schema = SchemaMaker(seed, depth=seed * 6 // COUNT).make()
        body = GREEDY | {"format": schema, "options": {"temperature": 0.8, "seed": seed, "num_predict": 96}}
        answer = native.post("/api/generate", body).json()
        if answer["done_reason"] == "stop":
            Draft202012Validator(schema).validate(json.loads(answer["response"]))
            ended += 1
    assert ended > COUNT / 2


def test_grammar_that_it_does_not_know_is_refused(native: Server) -> None:
    for grammar in ("root ::= nothing-here", "%llguidance {}\nstart: /a/"):
        body = GREEDY | {"options": {"grammar": grammar, "num_predict": 4}}
        assert native.post("/api/generate", body).status_code == 400


def test_images_of_another_prompt_are_no_trouble(native: Server, tmp_path: Path) -> None:
    """Two images side by side in a slot, then a prompt with the first of them."""
    name = make_seeing(native, tmp_path, "seeing")
    for images in ([RED, BLUE], [RED], [RED, BLUE], [BLUE], []):
        assert chat(native, look(*images), name, options={"num_predict": 1})["done"] is True


def test_conversation_goes_on_after_a_restart(serve: Serve) -> None:
    world = World({"PUNA_ENGINE": require_native(), "OLLAMA_KEEP_ALIVE": "-1"})
    first = serve(world=world)
    body = GREEDY | {"prompt": LONG_TALK}
    before = first.ask("/api/generate", body)
    first.stop()
    again = serve(world=world)
    assert again.ask("/api/generate", body)["response"] == before["response"]
    assert "restored" in again.log()


def test_sessions_of_one_engine_are_not_those_of_another(serve: Serve) -> None:
    world = World({"PUNA_ENGINE": require_native(), "OLLAMA_KEEP_ALIVE": "-1"})
    first = serve(world=world)
    first.ask("/api/generate", GREEDY | {"prompt": LONG_TALK})
    first.stop()
    world.environment["PUNA_ENGINE"] = "portable"
    other = serve(world=world)
    other.ask("/api/generate", GREEDY | {"prompt": LONG_TALK})
    assert "restored" not in other.log()


def test_killed_server_takes_its_runners_along(serve: Serve) -> None:
    world = World({"PUNA_ENGINE": require_native()})
    server = serve(world=world)
    next(server.open_stream("/api/generate", ENDLESS))
    assert server.runners()
    server.kill()
    wait_for(lambda: not world.leftovers(), what="the end of the runners and of their places")


def test_runner_that_dies_is_replaced(native: Server) -> None:
    lines = native.open_stream("/api/generate", ENDLESS)
    next(lines)
    for runner in native.runners():
        runner.send_signal(signal.SIGSEGV)
    *_, last = lines
    assert "ended unexpectedly (by signal 11)" in last["error"]
    assert native.ask("/api/generate", GREEDY)["response"]


def test_client_that_leaves_ends_the_generation(serve: Serve) -> None:
    native = serve({"PUNA_ENGINE": require_native(), "OLLAMA_NUM_PARALLEL": "1"})
    lines = native.open_stream("/api/generate", ENDLESS)
    next(lines)
    lines.close()
    native.ask("/api/generate", GREEDY)


def test_model_that_is_unloaded_leaves_no_process(native: Server) -> None:
    native.ask("/api/generate", GREEDY)
    (runner,) = native.runners()
    native.ask("/api/generate", {"model": "cria", "keep_alive": 0})
    wait_for(lambda: not psutil.pid_exists(runner.pid), what="the end of the runner")
    assert not list(native.world.temporary.iterdir())


def test_running_server_follows_the_choice_at_its_next_load(serve: Serve) -> None:
    world = World()
    install(world)
    server = serve(world=world)
    server.ask("/api/create", {"model": "other", "from": "cria", "stream": False})
    server.ask("/api/generate", GREEDY)
    assert "portable" in server.line
    assert programs(server) != ["llama-server"]

    def loaded_anew(model: str = "cria") -> bool:
        server.ask("/api/generate", {"model": model, "keep_alive": 0})
        wait_for(lambda: not server.runners(), what="the model to be gone")
        server.ask("/api/generate", GREEDY | {"model": model})
        return programs(server) == ["llama-server"]

    assert world.run("engine", "use", "native", "--model", "other").stdout == "other:latest runs on native\n"
    assert not loaded_anew()
    server.ask("/api/generate", {"model": "cria", "keep_alive": 0})
    assert loaded_anew("other")
    server.ask("/api/generate", {"model": "other", "keep_alive": 0})
    assert world.run("engine", "use", "native").returncode == 0
    assert loaded_anew()
    shutil.rmtree(world.home / ".puna" / "engines" / "native")
    assert not loaded_anew(), "the portable engine takes the place of one that is gone"
    assert "there is no engine 'native'" in server.log()


def test_command_shows_chooses_and_removes(world: World) -> None:
    install(world)
    shown = world.run("engine").stdout
    assert shown.startswith("engine  portable: llama.cpp of xllamacpp ")
    assert "native" in shown
    assert world.run("engine", "use", "native").stdout == "every model runs on native\n"
    seen = json.loads(world.run("engine", "--json").stdout)
    assert (seen["engine"], list(seen["builds"])) == ("native", ["native"])
    assert seen["instructions"]
    for wrong, words in (("nope", "there is no engine 'nope'"), ("/bin/true", "/bin/true is not a llama-server")):
        refused = world.run("engine", "use", wrong)
        assert (refused.returncode, refused.stderr) == (1, f"Error: {words}" + refused.stderr.partition(words)[2])
    assert world.run("engine", "remove", "native").stdout == "removed native\n"
    assert json.loads(world.run("engine", "--json").stdout)["engine"] == "portable"


def test_engine_without_a_choice_works_without_a_build(world: World) -> None:
    shown = world.run("engine")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "puna engine build" in shown.stdout


def test_build_that_a_requests_engine_cannot_start_says_why(serve: Serve) -> None:
    server = serve({"PUNA_ENGINE": "/bin/true"})
    response = requests.post(f"{server.url}/api/generate", json=GREEDY, timeout=60)
    assert response.status_code == 500
    assert response.json()["error"] == "/bin/true is not a llama-server"


@pytest.mark.parametrize("asked", ["json", {"type": "object", "properties": {"n": {"type": "integer"}}}])
def test_an_answer_with_a_format_ends_with_it_even_if_it_is_to_ignore_ends(native: Server, asked: Any) -> None:
    options = {"temperature": 0, "num_predict": 400, "ignore_eos": True}
    answer = chat(native, user("What is two and two?"), format=asked, options=options)
    json.loads(answer["message"]["content"])
    assert answer["done_reason"] == "stop"


def with_card(folder: Path, free_mib: int, more: str = "") -> str:
    """Return the native engine as it looks where a card is: it lists one, with so much memory."""
    program = folder / "llama-server"
    card = f"Available devices:\\n  CUDA0: Some card (8192 MiB, {free_mib} MiB free)\\n"
    listed = f"if [ \"$1\" = --list-devices ]; then printf '{card}'; exit; fi"
    program.write_text(f'#!/bin/sh\n{listed}\n{more}\nexec "{require_native()}" "$@"\n')
    program.chmod(0o755)
    return str(program)


def listed(server: Server) -> str:
    """Return what ``puna ps`` writes."""
    server.world.environment["OLLAMA_HOST"] = f"127.0.0.1:{server.port}"
    return server.world.run("ps").stdout


def test_model_is_said_to_be_on_the_card_that_holds_it(serve: Serve, tmp_path: Path) -> None:
    server = serve({"PUNA_ENGINE": with_card(tmp_path, 8000)})
    assert ", Some card (8.0 GiB), " in server.line
    server.ask("/api/generate", GREEDY)
    (model,) = server.get("/api/ps").json()["models"]
    assert model["size_vram"] == model["size"] > 512 << 20
    assert "100% GPU" in listed(server)
    (runner,) = server.runners()
    assert "--flash-attn" not in runner.cmdline(), "the engine's choice is the right one for a card"
    server.ask("/api/generate", GREEDY | {"options": {"num_gpu": 0}})
    (model,) = server.get("/api/ps").json()["models"]
    assert model["size_vram"] == 0


def test_model_that_a_card_cannot_hold_lies_there_in_part(serve: Serve, tmp_path: Path) -> None:
    server = serve({"PUNA_ENGINE": with_card(tmp_path, 256)})
    server.ask("/api/generate", GREEDY)
    (model,) = server.get("/api/ps").json()["models"]
    assert 0 < model["size_vram"] <= 256 << 20 < model["size"]
    assert re.search(r"\d+%/\d+% CPU/GPU", listed(server))
    (runner,) = server.runners()
    assert runner.cmdline()[runner.cmdline().index("--fit") + 1] == "on"


def test_card_with_less_memory_than_it_said_gets_what_it_can_hold(serve: Serve, tmp_path: Path) -> None:
    full = 'case "$*" in *"--fit off"*) echo "0.00 E cudaMalloc failed: out of memory" >&2; exit 1; esac'
    server = serve({"PUNA_ENGINE": with_card(tmp_path, 8000, full)})
    assert server.ask("/api/generate", GREEDY)["response"]
    (runner,) = server.runners()
    assert runner.cmdline()[runner.cmdline().index("--fit") + 1] == "on"
