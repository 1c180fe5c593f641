"""How a model is loaded follows from its file."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.layouts.files import random, write

from puna.engine.config import RunnerConfig
from puna.engine.engines import About
from puna.models.create.build import create
from puna.models.create.recipe import Recipe
from puna.models.library import Library
from puna.models.manifests import MODEL
from puna.models.model import Model
from puna.names import parse_name
from puna.scheduler import launch
from puna.scheduler.launch import (
    NOTHING_ASKED,
    _batch_limit,
    can_save_slots,
    demand_of,
    engine_of,
    footprint,
    runner_config,
    session_key,
)
from puna.scheduler.memory import OutOfMemoryError, Plan, plan
from puna.scheduler.options import RunnerOptions
from puna.scheduler.tuned import UNTUNED, Tuned
from puna.settings import Settings


@pytest.mark.parametrize(("vocabulary", "batch"), [(0, 2048), (5_000, 2048), (32_000, 1048), (256_000, 512)])
def test_batch_shrinks_as_the_vocabulary_grows(vocabulary: int, batch: int) -> None:
    assert _batch_limit(vocabulary) == batch


@pytest.fixture
def cria(tmp_path: Path) -> Model:
    return Library(tmp_path).get("cria")


TUNED = Tuned(
    threads=3,
    threads_batch=4,
    micro_batch=256,
    kv_type="q8_0",
    speculation="ngram-simple",
    draft_tokens=16,
    draft_match=8,
)
GIB = 1 << 30
PLAN = Plan(context=2048, parallel=2, size=0)


def started(
    model: Model, options: RunnerOptions = NOTHING_ASKED, tuned: Tuned = TUNED, **settings: str
) -> RunnerConfig:
    chosen = Settings.from_env(settings)
    return runner_config(model, options, PLAN, chosen, engine_of(model, chosen), tuned)


def test_a_runner_is_started_as_measured(cria: Model) -> None:
    config = started(cria)
    assert (config.threads, config.threads_batch, config.micro_batch, config.kv_type) == (3, 4, 256, "q8_0")
    assert (config.speculation, config.draft_tokens, config.draft_match) == ("ngram-simple", 16, 8)


@pytest.mark.parametrize(("cores", "several"), [(1, 1), (2, 2), (64, 4)])
def test_a_small_model_generates_on_one_thread_and_takes_several_tokens_on_a_few_until_it_is_measured(
    cria: Model, monkeypatch: pytest.MonkeyPatch, cores: int, several: int
) -> None:
    monkeypatch.setattr(launch, "usable_cores", lambda: cores)
    config = started(cria, tuned=UNTUNED)
    assert (config.threads, config.threads_batch, config.kv_type) == (1, several, "f16")
    assert started(cria, tuned=Tuned(threads=1)).threads_batch == 0, "measured before steps were told apart"
    assert started(cria, RunnerOptions(embeds=True), UNTUNED).threads == 0, "what is embedded is read by all threads"
    assert config.speculation == ""


def test_a_small_first_part_makes_no_small_model(cria: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_ONE_THREAD_BYTES", cria.path.stat().st_size + 1)
    assert started(cria, tuned=UNTUNED).threads == 1
    parts = (cria.path, cria.path)
    monkeypatch.setattr(Model, "path", cria.path)
    monkeypatch.setitem(vars(cria), "paths", parts)
    assert started(cria, tuned=UNTUNED).threads == 0


def test_what_a_request_says_goes_before_what_was_measured(cria: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    config = started(cria, RunnerOptions(num_thread=7, num_batch=64))
    assert (config.threads, config.threads_batch, config.batch, config.step) == (7, 0, 64, 64)
    assert started(cria, RunnerOptions(num_thread=500)).threads == 8, "more threads than processors only wait"


@pytest.mark.parametrize("embeds", [True, False])
@pytest.mark.parametrize("num_batch", [0, 1, 2, 100, 683, 1 << 20])
@pytest.mark.parametrize("slots", [1, 3, 7, 8])
def test_every_slot_has_an_equal_part_of_a_batch_and_of_a_step(
    cria: Model, slots: int, num_batch: int, embeds: bool
) -> None:
    options = RunnerOptions(num_batch=num_batch, embeds=embeds)
    plan = replace(PLAN, parallel=slots)
    for tuned in (UNTUNED, replace(TUNED, micro_batch=250)):
        config = runner_config(cria, options, plan, Settings.from_env({}), "", tuned)
        assert config.batch >= config.step >= slots
        assert (config.batch % slots, config.step % slots) == (0, 0)
        assert config.batch < plan.context + slots, "what is planned for"


@pytest.mark.parametrize("context", [721, 2048])
@pytest.mark.parametrize("slots", [1, 7, 8])
def test_a_text_that_fills_the_context_goes_into_one_step(cria: Model, slots: int, context: int) -> None:
    plan = replace(PLAN, parallel=slots, context=context)
    config = runner_config(cria, RunnerOptions(embeds=True), plan, Settings.from_env({}), "")
    assert config.step >= context


@pytest.mark.parametrize(
    ("attends", "settings", "options", "kept"),
    [
        (True, {}, RunnerOptions(embeds=True, generates=False), 0),
        (True, {}, RunnerOptions(embeds=True), 64),
        (True, {"OLLAMA_FLASH_ATTENTION": "0"}, RunnerOptions(embeds=True, generates=False), 64),
        (False, {}, RunnerOptions(embeds=True, generates=False), 64),
    ],
)
def test_a_runner_that_only_embeds_keeps_no_prompts(
    cria: Model, tmp_path: Path, attends: bool, settings: dict[str, str], options: RunnerOptions, kept: int
) -> None:
    engine = tmp_path / "bin" / "llama-server"
    engine.parent.mkdir()
    about = About(source="a test", version="1", attends=attends)
    (tmp_path / "about.json").write_text(about.to_json())
    engine.write_text("#!/bin/sh\necho 'Available devices:'\n")
    engine.chmod(0o755)
    plan = replace(PLAN, prompt_cache=64 << 20)
    config = runner_config(cria, options, plan, Settings.from_env(settings), str(engine))
    assert config.prompt_cache == kept


def test_a_small_batch_does_not_cut_texts_to_embed(cria: Model) -> None:
    sizes = [started(cria, RunnerOptions(num_batch=n, embeds=True), UNTUNED).batch for n in (0, 64)]
    assert sizes == [2048, 2048]


def test_what_the_settings_say_goes_before_what_was_measured(cria: Model) -> None:
    assert started(cria, OLLAMA_KV_CACHE_TYPE="f16").kv_type == "f16"
    without = started(cria, OLLAMA_FLASH_ATTENTION="0")
    assert (without.kv_type, without.flash_attention) == ("f16", False)  # the other format needs it
    slow = Tuned(flash_attention=False)
    assert started(cria, tuned=slow).flash_attention is False
    assert started(cria, tuned=slow, OLLAMA_FLASH_ATTENTION="1").flash_attention is True
    assert started(cria, tuned=slow, OLLAMA_KV_CACHE_TYPE="q4_0").flash_attention is None


def test_on_a_processor_attention_is_plain_and_prompts_are_read_in_small_steps(cria: Model) -> None:
    config = started(cria, tuned=UNTUNED)
    assert (config.flash_attention, config.step, config.batch) == (False, 256, 2048)
    large = replace(PLAN, context=1 << 20)
    config = runner_config(cria, NOTHING_ASKED, large, Settings.from_env({}), "")
    assert config.step == 128, "their scores take memory"


@pytest.mark.parametrize("attends", [True, False])
def test_an_engine_that_attends_for_any_number_of_tokens_does_so(cria: Model, tmp_path: Path, attends: bool) -> None:
    program = tmp_path / "engine" / "bin" / "llama-server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho Available devices:\n")
    program.chmod(0o755)
    about = About(source="a test", version="1", attends=attends)
    (tmp_path / "engine" / "about.json").write_text(about.to_json())
    config = started(cria, tuned=UNTUNED, PUNA_ENGINE=str(program))
    assert (config.flash_attention, config.step) == ((None, 512) if attends else (False, 256))
    assert started(cria, PUNA_ENGINE=str(program), OLLAMA_FLASH_ATTENTION="0").flash_attention is False


@pytest.mark.parametrize("settings", [{"OLLAMA_FLASH_ATTENTION": "1"}, {"OLLAMA_KV_CACHE_TYPE": "q8_0"}])
def test_flash_attention_that_is_asked_for_or_needed_stays(cria: Model, settings: dict[str, str]) -> None:
    config = started(cria, NOTHING_ASKED, UNTUNED, **settings)
    assert config.flash_attention is not False
    assert config.step == 512


def test_a_runner_that_embeds_takes_a_text_in_one_step(cria: Model) -> None:
    for tuned in (UNTUNED, TUNED):
        config = started(cria, RunnerOptions(embeds=True), tuned)
        assert (config.flash_attention, config.step, config.embedding, config.pooling) == (None, 2048, True, "mean")
    assert not started(cria, tuned=UNTUNED).embedding


def test_a_request_to_embed_needs_a_runner_that_does(cria: Model) -> None:
    embedding, generating = (
        demand_of(cria, RunnerOptions(embeds=value), Settings.from_env({}), "") for value in (True, False)
    )
    assert (embedding.embeds, generating.embeds, embedding.variant) == (True, False, generating.variant)


@pytest.mark.parametrize(
    ("num_gpu", "devices", "expected"),
    [(-1, "(none)", False), (-1, "CUDA0: A card", None), (0, "CUDA0: A card", False)],
)
def test_a_card_keeps_flash_attention(
    cria: Model, tmp_path: Path, num_gpu: int, devices: str, expected: bool | None
) -> None:
    program = tmp_path / "llama-server"
    program.write_text(f"#!/bin/sh\nprintf 'Available devices:\\n  {devices}\\n'\n")
    program.chmod(0o700)
    config = started(cria, RunnerOptions(num_gpu=num_gpu), UNTUNED, PUNA_ENGINE=str(program))
    assert config.flash_attention is expected


@pytest.mark.parametrize(
    ("num_gpu", "cards", "share"), [(-1, GIB, 1.0), (0, 0, 0.0), (2, GIB, 2 / 9), (8, GIB, 8 / 9), (99, GIB, 1.0)]
)
def test_so_many_layers_as_wanted_are_planned_on_the_cards(cria: Model, num_gpu: int, cards: int, share: float) -> None:
    assert cria.gguf.block_count == 8
    demand = demand_of(cria, RunnerOptions(num_gpu=num_gpu), Settings.from_env({}), "", cards=GIB)
    assert (demand.cards, demand.cards_share) == (cards, pytest.approx(share))


@pytest.mark.parametrize(("devices", "same"), [("(none)", True), ("CUDA0: A card", False)])
def test_cards_that_are_not_there_load_no_model_again(cria: Model, tmp_path: Path, devices: str, same: bool) -> None:
    program = tmp_path / "llama-server"
    program.write_text(f"#!/bin/sh\nprintf 'Available devices:\\n  {devices}\\n'\n")
    program.chmod(0o700)
    usual, asked = (
        demand_of(cria, options, Settings.from_env({}), str(program)).variant
        for options in (RunnerOptions(), RunnerOptions(num_gpu=99, main_gpu=1))
    )
    assert (usual == asked) is same


def test_threads_beyond_those_of_the_processor_load_no_model_again(cria: Model) -> None:
    most = os.cpu_count() or 1
    variants = {
        demand_of(cria, RunnerOptions(num_thread=threads), Settings.from_env({}), "").variant
        for threads in (most, most + 1, 512)
    }
    assert len(variants) == 1


def test_the_engine_finds_out_what_the_cards_hold_only_where_that_is_left_to_it(cria: Model) -> None:
    settings = Settings.from_env({})

    def fits(num_gpu: int, *, split: bool) -> bool:
        made = replace(PLAN, split=split)
        return runner_config(cria, RunnerOptions(num_gpu=num_gpu), made, settings, "").fit

    assert [fits(-1, split=True), fits(-1, split=False), fits(3, split=True)] == [True, False, False]


def test_log_probabilities_are_asked_of_a_runner_that_does_not_guess(cria: Model) -> None:
    options, settings = RunnerOptions(logprobs=True), Settings.from_env({})
    assert started(cria, options).speculation == ""
    demand = demand_of(cria, options, settings, "", TUNED)
    guessing = demand_of(cria, RunnerOptions(), settings, "", TUNED)
    assert (demand.plain, demand.guesses, demand.variant) == (True, False, guessing.variant)
    assert (guessing.plain, guessing.guesses) == (False, True)


def test_a_draft_model_that_is_gone_is_done_without(cria: Model) -> None:
    gone = Tuned(speculation="draft-simple", draft="sha256:" + "0" * 64, draft_tokens=3)
    assert started(cria, tuned=gone).speculation == ""
    here = replace(gone, draft=cria.manifest.of_type(MODEL)[0].digest)
    config = started(cria, tuned=here)
    assert (config.speculation, config.draft_path) == ("draft-simple", str(cria.path))
    assert not can_save_slots(cria, config)
    assert can_save_slots(cria, started(cria))


@pytest.mark.parametrize(("arch", "window", "masks", "longest"), [("qwen2", 0, 1, 16384), ("gemma3", 512, 2, 8192)])
def test_a_text_to_embed_is_no_longer_than_its_masks_leave_room_for(
    tmp_path: Path, arch: str, window: int, masks: int, longest: int
) -> None:
    keys = {".pooling_type": 3, ".context_length": 131072, ".embedding_length": 64, ".block_count": 1}
    keys |= {".attention.head_count": 1, ".attention.sliding_window": window}
    library = Library(tmp_path / "models")
    file = write(tmp_path / "m.gguf", arch, keys, {"token_embd.weight": random("x", 8, 64)})
    create(library, parse_name("long"), Recipe(files={"m": library.blobs.add(file.read_bytes())}), print, lambda: False)
    size = footprint(library.get("long"), Settings.from_env({}))
    made = plan(size, context=0, parallel=0, available=5 * GIB)
    assert 2 * masks * made.parallel * made.context**2 < 5 * GIB
    assert made.context == longest
    with pytest.raises(OutOfMemoryError):
        plan(size, context=131072, parallel=0, available=20 * GIB)


def test_memory_is_planned_for_what_was_measured(cria: Model) -> None:
    settings = Settings.from_env({})

    def needed(tuned: Tuned) -> int:
        return footprint(cria, settings, tuned).total(2048, 4)

    usual = needed(UNTUNED)
    assert needed(Tuned(micro_batch=4096)) > usual
    assert needed(Tuned(kv_type="q8_0")) < usual
    assert needed(Tuned(speculation="ngram-simple", draft_tokens=48)) > usual
    assert needed(Tuned(flash_attention=False)) > usual
    draft = Tuned(speculation="draft-simple", draft=cria.manifest.of_type(MODEL)[0].digest)
    assert needed(draft) > usual + cria.path.stat().st_size


def test_a_saved_session_is_not_used_by_a_runner_with_another_cache(cria: Model) -> None:
    plain = replace(TUNED, kv_type="", micro_batch=64)
    keys = [session_key(cria, started(cria, tuned=tuned)) for tuned in (UNTUNED, TUNED, plain)]
    assert len({str(key) for key in keys}) == 3
    threads = [session_key(cria, started(cria, tuned=Tuned(threads=count))) for count in (1, 2)]
    assert threads[0] == threads[1]


@pytest.mark.parametrize(
    ("architecture", "context", "largest", "expected"),
    [
        ("qwen25vl", 32_768, 0, 1024),
        ("qwen3vl", 32_768, 0, 1024),
        ("qwen3vl", 32_768, 65_536, 0),
        ("qwen3vl", 2048, 0, 0),
        ("gemma3", 32_768, 0, 0),
    ],
)
def test_pictures_of_some_families_are_seen_large(
    tmp_path: Path, architecture: str, context: int, largest: int, expected: int
) -> None:
    keys = {".block_count": 1, ".embedding_length": 8, ".context_length": context, ".vision.block_count": 1}
    keys |= {".vision.patch_size": 16} | ({".vision.longest_edge": largest} if largest else {})
    tensors = {"token_embd.weight": random("t", 4, 8), "v.blk.0.ln1.weight": random("v", 8)}
    library = Library(tmp_path / "models")
    path = write(tmp_path / "seeing.gguf", architecture, keys, tensors, tokens=4)
    files = {"seeing.gguf": library.blobs.add(path.read_bytes())}
    create(library, parse_name("seeing"), Recipe(files=files), lambda _: None, lambda: False)
    model = library.get("seeing")
    assert model.senses == ("vision",)
    assert started(model).image_min_tokens == expected
