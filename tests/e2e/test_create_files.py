"""Making models through a real server: the API, and ``puna create`` with Modelfiles."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.models.create.tiny import write_checkpoint, write_gguf, write_lora, write_peft
from tests.server import Server, wait_for

SHORT = {"num_predict": 3, "seed": 1, "temperature": 0}


def puna(server: Server, *arguments: str, cwd: Path | None = None, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command that talks to ``server``."""
    return subprocess.run(
        [sys.executable, "-m", "puna", *arguments],
        env=server.world.environment | {"OLLAMA_HOST": server.url, "COLUMNS": "200"},
        cwd=cwd or server.world.home,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        **more,
    )


def upload(server: Server, *paths: Path) -> dict[str, str]:
    """The files of a request, uploaded."""
    files = {}
    for path in paths:
        data = path.read_bytes()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert server.post(f"/api/blobs/{digest}", data).status_code in {200, 201}
        files[path.name] = digest
    return files


def show(server: Server, model: str, **more: Any) -> dict[str, Any]:
    return server.ask("/api/show", {"model": model, **more})


def generate(server: Server, model: str) -> dict[str, Any]:
    return server.ask(
        "/api/generate",
        {"model": model, "prompt": "ab", "raw": True, "stream": False, "options": SHORT, "keep_alive": 0},
    )


@pytest.fixture
def modelfile(tmp_path: Path) -> Path:
    return tmp_path / "Modelfile"


def test_create_from_a_modelfile_beside_its_files(server: Server, tmp_path: Path, modelfile: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    modelfile.write_text('# mine\nFROM ./tiny.gguf\nSYSTEM """Be "brief"."""\nPARAMETER stop "<x>"\nPARAMETER seed 7\n')
    made = puna(server, "create", "cli-gguf", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert made.stderr.splitlines()[0] == "gathering model components"
    assert made.stderr.splitlines()[-1] == "success"
    shown = show(server, "cli-gguf")
    assert (shown["system"], shown["details"]["quantization_level"]) == ('Be "brief".', "F16")
    assert 'stop                           "<x>"' in shown["parameters"].splitlines()
    assert generate(server, "cli-gguf")["eval_count"] == 3


def test_create_from_standard_input_and_another_model(server: Server) -> None:
    made = puna(server, "create", "cli-stdin", "-f", "-", input="FROM cria\nPARAMETER num_ctx 256\nREQUIRES 0.1.0\n")
    assert made.returncode == 0, made.stderr
    assert show(server, "cli-stdin")["requires"] == "0.1.0"


def test_create_from_a_checkpoint_with_quantisation_and_a_peft_adapter(
    server: Server, tmp_path: Path, modelfile: Path
) -> None:
    write_checkpoint(tmp_path / "checkpoint")
    write_peft(tmp_path / "peft")
    modelfile.write_text("FROM checkpoint\nADAPTER peft\n")
    made = puna(server, "create", "cli-checkpoint", "-f", str(modelfile), "--quantize", "f16")
    assert made.returncode == 0, made.stderr
    assert "converting model" in made.stderr
    shown = show(server, "cli-checkpoint", verbose=True)
    assert shown["details"]["quantization_level"] == "F16"
    assert len(shown["tensors"]) == 12
    assert generate(server, "cli-checkpoint")["eval_count"] == 3


def test_a_split_model_is_created_from_its_first_part_and_runs(server: Server, tmp_path: Path, modelfile: Path) -> None:
    first = write_gguf(tmp_path / "tiny.gguf", parts=3, bare=True)[0]
    write_gguf(tmp_path / "whole.gguf")
    for name, source in (("split", first.name), ("whole", "whole.gguf")):
        modelfile.write_text(f"FROM {source}\n")
        made = puna(server, "create", f"cli-{name}", cwd=tmp_path)
        assert made.returncode == 0, made.stderr
    split, whole = show(server, "cli-split", verbose=True), show(server, "cli-whole", verbose=True)
    assert {item["name"] for item in split["tensors"]} == {item["name"] for item in whole["tensors"]}
    assert split["model_info"]["general.parameter_count"] == whole["model_info"]["general.parameter_count"]
    assert generate(server, "cli-split")["response"] == generate(server, "cli-whole")["response"]
    asked: dict[str, Any] = {"tokens": [40, 41]}
    texts = [server.ask("/api/detokenize", {"model": f"cli-{name}"} | asked)["text"] for name in ("split", "whole")]
    assert texts[0] == texts[1]


def test_the_modelfile_of_show_makes_the_model_again(server: Server, tmp_path: Path, modelfile: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", parts=2)
    write_lora(tmp_path / "lora.gguf")
    modelfile.write_text(
        'FROM tiny-00001-of-00002.gguf\nADAPTER lora.gguf\nTEMPLATE """{{ .Prompt }}\n"""\nLICENSE x\n'
    )
    assert puna(server, "create", "show-first", cwd=tmp_path).returncode == 0
    text = puna(server, "show", "show-first", "--modelfile").stdout
    # From elsewhere the paths of the server's blobs mean nothing but their digests.
    modelfile.write_text(text.replace(str(server.world.models), "/nowhere"))
    made = puna(server, "create", "show-second", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert show(server, "show-second")["template"] == "{{ .Prompt }}\n"
    # All but the name of the adapter, which a Modelfile has no place for.
    first, second = (layers(server, name) for name in ("show-first", "show-second"))
    assert [{**layer, "annotations": None} for layer in first] == [{**layer, "annotations": None} for layer in second]


def layers(server: Server, name: str) -> list[dict[str, Any]]:
    """Return the layers in the manifest of a model."""
    path = server.world.models / "manifests/registry.ollama.ai/library" / name / "latest"
    found: list[dict[str, Any]] = json.loads(path.read_text())["layers"]
    return found


def test_from_a_digest(server: Server, tmp_path: Path) -> None:
    (digest,) = upload(server, *write_gguf(tmp_path / "tiny.gguf")).values()
    for source in (f"@{digest}", f"/root/.ollama/models/blobs/{digest.replace(':', '-')}"):
        assert server.stream("/api/create", {"model": "from-digest", "from": source})[-1] == {"status": "success"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FRO x", "Modelfile (line 1): 'FRO' is not a command; did you mean FROM?"),
        ("FROM ./missing.gguf", "there is no "),
        ("FROM empty", "no safetensors or GGUF files"),
        ("FROM outside", "model.safetensors is a link out of "),
        ("FROM pickled", "pytorch_model.bin can run code"),
        ("FROM cria\nADAPTER nothing", "ADAPTER nothing: there is no such file"),
        ("FROM cria\nFROM other", "FROM names two models: cria and other"),
        ("FROM part-00001-of-00002.gguf", "part-00002-of-00002.gguf is not beside it"),
        (
            "FROM cria\nPARAMETER temprature 1",
            "(line 2): PARAMETER: unknown parameter 'temprature'; did you mean temperature?",
        ),
        ("FROM cria\nPARAMETER temperature hot", '(line 2): PARAMETER: option "temperature" must be of type float32'),
        ("FROM cria\nTEMPLATE {{ .X", "template"),
    ],
)
def test_what_is_wrong_is_one_line(server: Server, tmp_path: Path, modelfile: Path, text: str, reason: str) -> None:
    for name in ("empty", "outside", "pickled"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "model.safetensors").symlink_to("/etc/passwd")
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    (tmp_path / "part-00001-of-00002.gguf").write_bytes(b"")
    modelfile.write_text(text)
    failed = puna(server, "create", "wrong", cwd=tmp_path)
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert reason in last
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"from": "cria", "quantize": "q9"}, 400, "unknown quantisation 'q9'"),
        ({"from": "cria", "quantize": "q4_0"}, 400, "quantization is only supported for F16, F32 and BF16 models"),
        ({"files": {"../x": "sha256:" + "0" * 64}}, 400, "file path must be relative: ../x"),
        ({"files": {"x.gguf": "sha256:0"}}, 400, "invalid digest format"),
        ({"files": {"x.gguf": "sha256:" + "0" * 64}}, 404, "not found"),
        ({"from": "cria", "requires": "x"}, 400, "requires must be a version"),
        ({}, 400, 'neither "from" nor "files" was specified'),
        ({"from": "cria", "template": "{{ if }}"}, 400, "template"),
    ],
)
def test_a_wrong_request_has_a_status_of_its_own(server: Server, body: Any, status: int, reason: str) -> None:
    response = server.post("/api/create", {"model": "wrong", **body})
    assert response.status_code == status, response.text
    assert reason in response.json()["error"]


def test_a_file_that_lies_is_a_400_that_names_it(server: Server, tmp_path: Path) -> None:
    (path,) = write_gguf(tmp_path / "tiny.gguf")
    lie = tmp_path / "lie.gguf"
    lie.write_bytes(path.read_bytes()[:-100])
    response = server.post("/api/create", {"model": "wrong", "files": upload(server, lie)})
    assert response.status_code == 400
    assert response.json()["error"].startswith("lie.gguf: ")


def big_checkpoint(directory: Path) -> Path:
    """A checkpoint whose conversion takes long enough to be interrupted."""
    import numpy as np
    from tests.models.create.convert.conftest import CONFIG, SHAPES, save_safetensors

    write_checkpoint(directory)
    layers = 12
    config = CONFIG | {"num_hidden_layers": layers, "intermediate_size": 2048, "hidden_size": 512, "vocab_size": 12}
    config |= {"num_attention_heads": 8, "num_key_value_heads": 4}
    sizes = {16: 512, 24: 2048, 12: 12, 8: 256}
    weights = {}
    for name, shape in SHAPES.items():
        zeros = np.zeros([sizes[size] for size in shape], np.uint16)
        for number in range(layers if ".layers." in name else 1):
            weights[name.replace(".0.", f".{number}.")] = zeros
    (directory / "config.json").write_text(json.dumps(config))
    save_safetensors(directory / "model.safetensors", weights)
    return directory


def test_a_client_that_goes_away_ends_the_work_and_leaves_nothing(serve: Any, tmp_path: Path) -> None:
    server: Server = serve()
    files = upload(server, *big_checkpoint(tmp_path / "big").iterdir())
    before = server.blobs()
    lines = server.open_stream("/api/create", {"model": "gone", "files": files, "quantize": "q8_0"})
    assert next(lines)["status"] == "converting model"
    lines.close()  # type: ignore[attr-defined]
    wait_for(lambda: not list(server.world.models.glob("puna-working-*")), what="the end of the work")
    assert server.blobs() == before
    assert "gone" not in server.get("/api/tags").text


def test_a_command_that_is_interrupted_leaves_nothing(serve: Any, tmp_path: Path) -> None:
    server: Server = serve()
    big_checkpoint(tmp_path / "big")
    (tmp_path / "Modelfile").write_text("FROM big\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "create", "gone", "-q", "q8_0"],
        env=server.world.environment | {"OLLAMA_HOST": server.url},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: list(server.world.models.glob("puna-working-*")), 60, "the work")
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    wait_for(lambda: not list(server.world.models.glob("puna-working-*")), what="the end of the work")
    assert not [name for name in server.blobs() if name.startswith("puna-")]
    assert "gone" not in server.get("/api/tags").text


def test_work_of_a_server_that_was_killed_is_cleared_away(serve: Any, tmp_path: Path) -> None:
    server: Server = serve()
    files = upload(server, *big_checkpoint(tmp_path / "big").iterdir())
    lines = server.open_stream("/api/create", {"model": "gone", "files": files, "quantize": "q8_0"})
    next(lines)
    server.kill()
    assert list(server.world.models.glob("puna-working-*"))
    for path in server.world.temporary.iterdir():
        shutil.rmtree(path)
    serve(world=server.world)
    assert not list(server.world.models.glob("puna-working-*"))
