"""A draft model that came with a model guesses ahead, unless a request or a measurement says otherwise."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.models.create.tiny import write_gguf
from tests.scheduler.conftest import Make, World
from tests.scheduler.drafts import write_draft
from tests.scheduler.mtp import write_former_mtp, write_mtp
from tests.scheduler.test_tuned_runner import config

from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.manifests import MODEL
from puna.models.model import Model
from puna.names import parse_name
from puna.scheduler.drafting import drafted, drafter_of
from puna.scheduler.tuned import UNTUNED, Tuned


def with_draft(world: World, name: str, digest: str) -> Model:
    recipe = Recipe(base=world.cria.name, drafts={"draft.gguf": digest})
    create(world.library, parse_name(name), recipe, lambda _: None, lambda: False)
    return world.library.get(name)


def own_weights(world: World) -> str:
    return world.cria.manifest.of_type(MODEL)[0].digest


async def test_the_draft_guesses_and_changes_no_answer(make: Make, tmp_path: Path) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    plain = await world.say(tokens=48)
    model = with_draft(world, "drafted", own_weights(world))
    await world.scheduler.unload(world.cria)
    assert await world.say(model, tokens=48) == plain
    chosen = config(world)
    assert (chosen.speculation, chosen.draft_tokens, chosen.draft_path) == ("draft-simple", 4, str(model.drafts[0]))
    (entry,) = world.scheduler.loaded()
    body = {"prompt": "The llama", "n_predict": 32, "temperature": 0, "ignore_eos": True}
    assert (await entry.runner.client.complete(body))["timings"]["draft_n_accepted"] > 0


async def test_a_request_decides(make: Make, tmp_path: Path) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    model = with_draft(world, "drafted", own_weights(world))
    await world.say(model, draft_num_predict=2)
    assert (config(world).speculation, config(world).draft_tokens) == ("draft-simple", 2)
    await world.say(model, draft_num_predict=0)
    assert (config(world).speculation, config(world).draft_path) == ("", "")


async def test_where_nothing_can_guess_the_option_loads_nothing_again(make: Make, tmp_path: Path) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    await world.say()
    pid = world.scheduler.loaded()[0].runner.pid
    await world.say(draft_num_predict=3)
    assert world.scheduler.loaded()[0].runner.pid == pid
    assert not config(world).speculation


def test_what_was_measured_goes_before_the_default(make: Make, tmp_path: Path) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    model = with_draft(world, "drafted", own_weights(world))
    measured = Tuned(threads=1)
    assert drafted(measured, model, -1) == measured
    assert drafted(UNTUNED, model, -1).draft_tokens == 4
    assert drafted(measured, model, 6).draft_tokens == 6


def test_a_draft_with_other_tokens_is_kept_and_not_used(make: Make, tmp_path: Path) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    (path,) = write_gguf(tmp_path / "other.gguf")
    with world.library.blobs.writer() as writer:
        writer.write(path.read_bytes())
        digest = writer.commit()
    recipe, told = Recipe(base=world.cria.name, drafts={"draft.gguf": digest}), list[Mapping[str, Any]]()
    create(world.library, parse_name("drafted"), recipe, told.append, lambda: False)
    reason = "its vocabulary is another one than the model's"
    assert {"status": f"warning: the draft model will not be used: {reason}"} in told
    model = world.library.get("drafted")
    assert model.drafts
    assert drafter_of(model) is None
    assert drafted(UNTUNED, model, 4) == UNTUNED


async def test_a_draft_that_does_not_load_is_done_without(make: Make, tmp_path: Path) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    content = world.cria.path.read_bytes()
    digest = world.library.blobs.add(content[:400].replace(b"llama", b"lxama") + content[400:])
    model = with_draft(world, "drafted", digest)
    assert drafter_of(model)
    assert await world.say(model)
    assert config(world).speculation == ""


@pytest.mark.parametrize("architecture", ["eagle3", "dflash"])
async def test_drafts_that_go_on_from_what_the_model_computed(make: Make, tmp_path: Path, architecture: str) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    plain = await world.say(tokens=32)
    path = write_draft(tmp_path / "draft.gguf", architecture, world.cria.path)
    model = with_draft(world, "drafted", world.library.blobs.add(path.read_bytes()))
    await world.scheduler.unload(world.cria)
    assert await world.say(model, tokens=32) == plain
    assert (config(world).speculation, config(world).draft_tokens) == (f"draft-{architecture}", 4)
    (entry,) = world.scheduler.loaded()
    body = {"prompt": "The llama", "n_predict": 32, "temperature": 0, "ignore_eos": True}
    assert (await entry.runner.client.complete(body))["timings"]["draft_n"] > 0


async def test_a_draft_for_another_model_is_done_without_and_said(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    path = write_draft(tmp_path / "draft.gguf", "eagle3", world.cria.path, layers=[1, 3, 60])
    model = with_draft(world, "drafted", world.library.blobs.add(path.read_bytes()))
    assert await world.say(model)
    assert config(world).speculation == ""
    assert "trying once more without draft-eagle3" in caplog.text


@pytest.mark.parametrize("tokens", [-1, 257, 1.5, "4"])
async def test_wrong_numbers_are_refused(make: Make, tmp_path: Path, tokens: int) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    with pytest.raises(Exception, match="draft_num_predict"):
        await world.say(draft_num_predict=tokens)


@pytest.mark.parametrize("write", [write_mtp, write_former_mtp], ids=["llama.cpp's layout", "Ollama's"])
@pytest.mark.parametrize("apart", [False, True], ids=["inside", "as a draft model"])
async def test_layers_that_predict_several_tokens_guess(
    make: Make, tmp_path: Path, apart: bool, write: Callable[[Path, Path], Path]
) -> None:
    world = make(PUNA_HOME=str(tmp_path / "home"))
    digest = world.library.blobs.add(write(tmp_path / "mtp.gguf", world.cria.path).read_bytes())
    files = {"mtp.gguf": digest}
    recipe = Recipe(files=files, drafts=files if apart else {}, template="{{ .Prompt }}")
    create(world.library, parse_name("mtp"), recipe, lambda _: None, lambda: False)
    model = world.library.get("mtp")
    plain = await world.say(model, tokens=24, draft_num_predict=0)
    assert not config(world).speculation
    await world.say(model)
    assert bool(config(world).speculation) == apart, "without being asked only where there is a draft model"
    assert await world.say(model, tokens=24, draft_num_predict=3) == plain
    assert (config(world).speculation, config(world).draft_tokens) == ("draft-mtp", 3)
    (entry,) = world.scheduler.loaded()
    assert entry.warm is None, "what they hold is not saved"
    body = {"prompt": "The llama", "n_predict": 32, "temperature": 0, "ignore_eos": True}
    assert (await entry.runner.client.complete(body))["timings"]["draft_n"] > 0
