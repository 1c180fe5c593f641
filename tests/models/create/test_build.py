"""Making models in a store."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.inference.world import gguf_file
from tests.models.create.tiny import write_checkpoint, write_gguf, write_lora, write_peft, write_projector
from tests.models.layouts.files import arrays, write

from puna.errors import BadRequestError, ModelNotFoundError
from puna.models.create.build import create
from puna.models.create.progress import CreateCancelledError
from puna.models.create.recipe import Recipe
from puna.models.gguf import GGUFError, read_gguf
from puna.models.library import Library
from puna.models.loadable import LoadCheck, ModelFiles, UnloadableError, UnsupportedModelError
from puna.models.model import Model
from puna.models.modelfile.parse import Modelfile, parse_modelfile
from puna.models.modelfile.write import modelfile_of
from puna.models.store import BlobNotFoundError, parse_digest
from puna.names import parse_name


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "models")


def upload(library: Library, *paths: Path, root: Path | None = None) -> dict[str, str]:
    """The files of a request, whose blobs are in the store."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return {
        (file.relative_to(root).as_posix() if root else file.name): library.blobs.add(file.read_bytes())
        for file in files
        if file.is_file()
    }


def make(library: Library, name: str = "new", **recipe: Any) -> tuple[Model, list[str]]:
    """The model that a recipe makes, and what was reported meanwhile."""
    reports: list[str] = []
    create(library, parse_name(name), Recipe(**recipe), lambda item: reports.append(item["status"]), lambda: False)
    return library.get(name), reports


def leftovers(library: Library) -> list[str]:
    """Files of the store that are neither manifests nor blobs."""
    return [str(path) for path in library.root.rglob("puna-*")]


def test_a_gguf_file(library: Library, tmp_path: Path) -> None:
    model, reports = make(library, files=upload(library, *write_gguf(tmp_path / "m.gguf")), system="Be brief.")
    assert (model.config.family, model.config.quantization, model.system) == ("llama", "F16", "Be brief.")
    assert reports[0] == "parsing GGUF"
    assert reports[-2:] == ["writing manifest", "success"]
    assert f"using existing layer {model.manifest.layers[0].digest}" in reports


def test_a_base_gives_all_that_is_not_replaced(library: Library) -> None:
    first, _ = make(
        library, "first", base=parse_name("cria"), template="{{ .Prompt }}", system="a", parameters={"seed": 1}
    )
    second, _ = make(library, base=parse_name("first"), system="", parameters={"top_k": 2}, renderer="x")
    assert (second.template, second.system) == ("{{ .Prompt }}", "")
    assert second.parameters == {**first.parameters, "top_k": 2}
    assert second.licenses == first.licenses
    assert (second.path, second.config.renderer) == (first.path, "x")
    assert all(layer.source in {"first:latest", "cria:latest", ""} for layer in second.manifest.layers)


def test_a_license_that_is_there_is_not_added_again(library: Library) -> None:
    first, _ = make(library, "first", base=parse_name("cria"), licenses=("MIT",))
    second, _ = make(library, base=parse_name("first"), licenses=("MIT",))
    assert second.licenses == first.licenses


def test_parts_are_kept_in_order_and_load_by_their_names(library: Library, tmp_path: Path) -> None:
    paths = write_gguf(tmp_path / "m.gguf", parts=3)
    whole = read_gguf(write_gguf(tmp_path / "whole.gguf")[0])
    model, _ = make(library, files=dict(reversed(upload(library, *paths).items())))
    assert [path.read_bytes() for path in model.paths] == [path.read_bytes() for path in paths]
    assert model.path.name == "model-00001-of-00003.gguf"
    assert model.path.with_name("model-00003-of-00003.gguf").read_bytes() == paths[2].read_bytes()
    assert sum(len(part.tensors) for part in model.ggufs) == len(whole.tensors)


def test_missing_and_foreign_parts_are_named(library: Library, tmp_path: Path) -> None:
    paths = write_gguf(tmp_path / "m.gguf", parts=3)
    with pytest.raises(BadRequestError, match="3 parts, and these are missing: 2"):
        make(library, files=upload(library, paths[0], paths[2]))
    with pytest.raises(BadRequestError, match="parts of different models"):
        make(library, files=upload(library, *paths, *write_gguf(tmp_path / "whole.gguf")))


def test_a_checkpoint_is_converted_and_quantised(library: Library, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "checkpoint")
    plain, reports = make(library, files=upload(library, directory, root=directory))
    assert (plain.config.quantization, plain.config.family, reports[0]) == ("F32", "llama", "converting model")
    half, _ = make(library, "half", files=upload(library, directory, root=directory), quantize="f16")
    assert half.config.quantization == "F16"
    assert not leftovers(library)


def test_a_model_is_quantised_from_files_parts_or_a_base(library: Library, tmp_path: Path) -> None:
    files = upload(library, *write_gguf(tmp_path / "m.gguf"))
    one, reports = make(library, "one", files=files, quantize="q8_0")
    parts, _ = make(library, "parts", files=upload(library, *write_gguf(tmp_path / "p.gguf", parts=2)), quantize="Q8_0")
    make(library, "base", files=files)
    based, _ = make(library, "based", base=parse_name("base"), quantize="q8_0")
    assert "quantizing model to Q8_0" in reports
    assert one.config.quantization == "Q8_0"
    assert {tensor.type.name for tensor in one.gguf.tensors} == {"Q8_0", "F32"}
    assert one.path == based.path
    assert [(item.name, item.type) for item in parts.gguf.tensors] == [(i.name, i.type) for i in one.gguf.tensors]
    with pytest.raises(BadRequestError, match="only supported for F16, F32 and BF16 models; this one is Q8_0"):
        make(library, "again", base=parse_name("one"), quantize="q4_0")


def test_adapters_are_kept_or_converted(library: Library, tmp_path: Path) -> None:
    files = upload(library, *write_gguf(tmp_path / "m.gguf"))
    kept, _ = make(library, "kept", files=files, adapters=upload(library, write_lora(tmp_path / "lora.gguf")))
    assert kept.adapters[0].read_bytes() == (tmp_path / "lora.gguf").read_bytes()
    checkpoint, peft = write_checkpoint(tmp_path / "checkpoint"), write_peft(tmp_path / "peft")
    made, _ = make(library, files=upload(library, checkpoint), adapters=upload(library, peft))
    assert read_gguf(made.adapters[0]).kind == "adapter"
    with pytest.raises(BadRequestError, match=r"phi\.gguf is an adapter for phi3, and the model is llama"):
        make(library, files=files, adapters=upload(library, write_lora(tmp_path / "phi.gguf", "phi3")))
    with pytest.raises(BadRequestError, match=r"m\.gguf is not an adapter but a model"):
        make(library, files=files, adapters=files)
    nothing = upload(library, write_lora(tmp_path / "nothing.gguf", tensors=False))
    with pytest.raises(BadRequestError, match=r"nothing\.gguf is an adapter without tensors"):
        make(library, files=files, adapters=nothing)


def test_an_adapter_is_for_what_the_engine_sees_of_its_base(library: Library, tmp_path: Path) -> None:
    keys = {".block_count": 1, ".embedding_length": 8, ".context_length": 64}
    experts = arrays(token_embd__weight=(4, 8), blk__0__ffn_gate_exps__weight=(3, 5, 8))
    files = upload(library, write(tmp_path / "m.gguf", "gptoss", keys, experts))
    made, _ = make(library, files=files, adapters=upload(library, write_lora(tmp_path / "lora.gguf", "gpt-oss")))
    assert len(made.adapters) == 1
    with pytest.raises(BadRequestError, match=r"x\.gguf is an adapter for gptoss, and the model is gpt-oss"):
        make(library, files=files, adapters=upload(library, write_lora(tmp_path / "x.gguf", "gptoss")))


def test_a_projector_goes_with_a_model_or_a_base(library: Library, tmp_path: Path) -> None:
    projector = upload(library, write_projector(tmp_path / "mmproj.gguf"))
    files = upload(library, *write_gguf(tmp_path / "m.gguf"))
    both, _ = make(library, files=files | projector)
    based, _ = make(library, "based", base=parse_name("cria"), files=projector)
    assert len(both.projectors) == len(based.projectors) == 1
    with pytest.raises(BadRequestError, match="none of the files is a model"):
        make(library, "alone", files=projector)
    with pytest.raises(BadRequestError, match='"from" names a model, and so do "files"'):
        make(library, "two", base=parse_name("cria"), files=files)
    with pytest.raises(BadRequestError, match=r"mmproj\.gguf and other\.gguf are two projectors; name one of them"):
        make(library, "two", files=files | projector | {"other.gguf": projector["mmproj.gguf"]})


def test_what_there_is_one_of_takes_the_place_of_the_bases(library: Library, tmp_path: Path) -> None:
    first, second = (upload(library, write_projector(tmp_path / f"{name}.gguf", name)) for name in "ab")
    make(library, "seeing", base=parse_name("cria"), files=first)
    model, _ = make(library, base=parse_name("seeing"), files=second)
    assert [library.blobs.path(digest) for digest in second.values()] == list(model.projectors)
    kinds = (np.float16, np.float32)
    first, second = (upload(library, *write_gguf(tmp_path / f"{kind.__name__}.gguf", kind=kind)) for kind in kinds)
    make(library, "drafted", base=parse_name("seeing"), drafts=first)
    model, _ = make(library, base=parse_name("drafted"), drafts=second)
    assert [library.blobs.path(digest) for digest in second.values()] == list(model.drafts)
    kept, _ = make(library, base=parse_name("drafted"), system="Be brief.")
    assert len(kept.projectors) == len(kept.drafts) == 1


def test_what_had_no_effect_is_told_before_the_end(library: Library) -> None:
    reports: list[str] = []
    recipe = Recipe(base=parse_name("cria"), renderer="nobody")

    def remarks(model: Model, made_of: Recipe) -> list[str]:
        return [f"{model.name} has no {made_of.renderer}"]

    create(
        library,
        parse_name("new"),
        recipe,
        lambda item: reports.append(item["status"]),
        lambda: False,
        remarks=remarks,
    )
    assert reports[-3:] == ["writing manifest", "warning: new:latest has no nobody", "success"]


def test_a_draft_is_kept(library: Library, tmp_path: Path) -> None:
    draft = upload(library, *write_gguf(tmp_path / "draft.gguf"))
    model, _ = make(library, base=parse_name("cria"), drafts=draft)
    assert model.drafts[0].read_bytes() == (tmp_path / "draft.gguf").read_bytes()
    assert model.config.extra["draft"] == {"model_format": "gguf", "architecture": "llama"}


def test_a_draft_that_cannot_be_loaded_is_refused(library: Library, tmp_path: Path) -> None:
    draft = upload(library, *write_gguf(tmp_path / "draft.gguf"))
    [digest] = draft.values()

    def refuses(files: ModelFiles) -> None:
        if files.model == library.blobs.path(digest):
            raise UnloadableError("it is broken")

    def no_draft(files: ModelFiles) -> None:
        if files.model == library.blobs.path(digest):
            raise UnsupportedModelError("of tomorrow")

    def made(load_check: LoadCheck) -> list[str]:
        said: list[str] = []
        recipe = Recipe(base=parse_name("cria"), drafts=draft)
        create(library, parse_name("new"), recipe, lambda item: said.append(item["status"]), lambda: False, load_check)
        return said

    with pytest.raises(UnloadableError, match=r"draft model: .* it is broken"):
        made(refuses)
    assert "warning: the draft model will not be used: this model cannot run here: of tomorrow" in made(no_draft)
    with pytest.raises(BadRequestError, match="a projector is no draft model"):
        make(library, base=parse_name("cria"), drafts=upload(library, write_projector(tmp_path / "mmproj.gguf")))


def test_a_checkpoint_that_was_kept_takes_no_adapter_or_draft(library: Library, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "checkpoint")
    make(library, "kept", files=upload(library, directory, root=directory), keep=True)
    for more in (
        {"drafts": upload(library, *write_gguf(tmp_path / "m.gguf"))},
        {"adapters": upload(library, write_lora(tmp_path / "lora.gguf"))},
    ):
        with pytest.raises(BadRequestError, match="kept as it is takes no adapter or draft"):
            make(library, base=parse_name("kept"), **more)


def test_errors_name_the_file(library: Library, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(20))
    (tmp_path / "text.gguf").write_bytes(b"hello")
    (tmp_path / "model.bin").write_bytes(b"PK")
    for name, error, reason in (
        ("bad.gguf", GGUFError, r"bad\.gguf: "),
        ("text.gguf", BadRequestError, r"text\.gguf is not a GGUF file"),
        ("model.bin", BadRequestError, r"model\.bin can run code"),
    ):
        with pytest.raises(error, match=reason):
            make(library, files=upload(library, tmp_path / name))
    with pytest.raises(BlobNotFoundError):
        make(library, files={"x.gguf": "sha256:" + "0" * 64})
    with pytest.raises(ModelNotFoundError):
        make(library, base=parse_name("nobody"))


def test_work_that_is_cancelled_leaves_nothing(library: Library, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "checkpoint")
    files = upload(library, directory, root=directory)
    before = set(library.blobs.digests())
    reports: list[str] = []

    def cancel_at(phase: str) -> Callable[[], bool]:
        return lambda: phase in " ".join(reports)

    for phase in ("converting", "quantizing", "creating new layer", "writing manifest"):
        reports.clear()
        with pytest.raises(CreateCancelledError):
            recipe = Recipe(files=files, quantize="q8_0", system=f"for {phase}")
            create(library, parse_name("new"), recipe, lambda item: reports.append(item["status"]), cancel_at(phase))
        assert phase in " ".join(reports)
        assert set(library.blobs.digests()) == before
        assert not leftovers(library)
        assert not list(library.manifests.names())


def test_a_blob_that_is_being_used_outlives_the_model_that_had_it(library: Library, tmp_path: Path) -> None:
    files = upload(library, *write_gguf(tmp_path / "m.gguf"))
    old, _ = make(library, "old", files=files)

    def delete_meanwhile(item: Any) -> None:
        if item["status"] == "parsing GGUF":
            worker = threading.Thread(target=library.delete, args=[old])
            worker.start()
            worker.join(10)

    create(library, parse_name("new"), Recipe(files=files), delete_meanwhile, lambda: False)
    assert library.get("new").path.is_file()
    with pytest.raises(ModelNotFoundError):
        library.get("old")


@pytest.mark.parametrize(
    "text", ["plain", 'with "quotes"\nand lines', '  "  ', 'impossible"""\nto quote', "ü\r\n👩\u200d👧"]
)
def test_a_modelfile_makes_the_model_again(library: Library, tmp_path: Path, text: str) -> None:
    first, _ = make(
        library,
        "first",
        files=upload(library, *write_gguf(tmp_path / "m.gguf", parts=2), write_projector(tmp_path / "p.gguf")),
        adapters=upload(library, write_lora(tmp_path / "lora.gguf")),
        template=text + "{{ .Prompt }}",
        system=text,
        parameters={"stop": ["<a>", "12"], "temperature": 0.25, "num_ctx": 64, "use_mmap": False},
        messages=({"role": "user", "content": text}, {"role": "assistant", "content": "x"}),
        licenses=(text, "MIT"),
        requires="0.14.0",
        renderer="r",
        parser="p",
    )
    file = parse_modelfile(modelfile_of(first))
    second, _ = make(library, "second", **recipe_of(file))
    assert [layer.digest for layer in second.manifest.layers] == [layer.digest for layer in first.manifest.layers]
    assert second.manifest.config.digest == first.manifest.config.digest


def recipe_of(file: Modelfile) -> dict[str, Any]:
    """What the command line makes of a Modelfile whose files are blobs."""

    def blobs(name: str) -> dict[str, str]:
        return {
            path.name: parse_digest(path.name)
            for path in map(Path, file.values(name))
            if path.name.startswith("sha256-")
        }

    names = [value for value in file.values("FROM") if "sha256-" not in value]
    return {
        "base": parse_name(names[0]) if names else None,
        "files": blobs("FROM"),
        "adapters": blobs("ADAPTER"),
        "template": file.last("TEMPLATE"),
        "system": file.last("SYSTEM"),
        "parameters": file.parameters,
        "messages": file.messages,
        "licenses": file.values("LICENSE"),
        "requires": file.last("REQUIRES") or "",
        "renderer": file.last("RENDERER") or "",
        "parser": file.last("PARSER") or "",
    }


@pytest.mark.parametrize(
    ("arch", "recipe", "speech"),
    [
        ("gemma4", {}, ("gemma4", "gemma4", ["<turn|>"])),
        ("gemma4", {"parameters": {"stop": ["x"]}}, ("gemma4", "gemma4", ["x"])),
        ("gemma4", {"renderer": "a", "parser": "b"}, ("a", "b", None)),
        ("laguna", {"parser": "b"}, ("laguna", "b", None)),
        ("nemotron_h_moe", {}, ("nemotron-3-nano", "nemotron-3-nano", None)),
        ("llama", {}, ("", "", None)),
    ],
)
def test_some_architectures_speak_in_a_way_of_their_own(
    library: Library, tmp_path: Path, arch: str, recipe: dict[str, Any], speech: tuple[str, str, Any]
) -> None:
    path = gguf_file(tmp_path / "m.gguf", {}, arch=arch)
    model, _ = make(library, files={"m.gguf": library.blobs.add(path.read_bytes())}, **recipe)
    assert (model.config.renderer, model.config.parser, model.parameters.get("stop")) == speech
    again, _ = make(library, "again", base=parse_name("new"))
    assert (again.config.renderer, again.config.parser, again.parameters.get("stop")) == speech
