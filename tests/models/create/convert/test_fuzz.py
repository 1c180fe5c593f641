"""Checkpoints whose JSON files say anything at all: a model or a clear refusal, never another error."""

import copy
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from puna.errors import BadRequestError
from puna.models.create.convert import convert

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    1e300,
    -0.5,
    "",
    "x",
    "<s>",
    [],
    [[]],
    {},
    {"a": 1},
    [1, "a", None],
]
FILES: dict[str, dict[str, Any]] = {
    "tokenizer_config.json": {
        "bos_token": "<s>",
        "eos_token": {"content": "</s>"},
        "chat_template": [{"name": "default", "template": "x"}],
        "added_tokens_decoder": {"1": {"content": "<s>", "special": True}},
    },
    "generation_config.json": {"eos_token_id": [2, 3]},
}
SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 64,
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of everything inside a JSON value."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from paths(item, (*path, key))


def mutate(value: Any, rng: random.Random) -> Any:
    changed = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        *parents, last = rng.choice(list(paths(changed)) or [("x",)])
        target = changed
        for key in parents:
            target = target[key]
        if rng.random() < 0.2 and last in target:
            del target[last]
        else:
            target[last] = copy.deepcopy(rng.choice(VALUES))
    return changed


def test_mutated_configurations_give_a_model_or_a_refusal(make_checkpoint: Any, tmp_path: Path) -> None:
    rng = random.Random(11)
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
    }
    directory = make_checkpoint(config={"rope_scaling": SCALING}, tokenizer={"post_processor": template})
    for name, content in FILES.items():
        (directory / name).write_text(json.dumps(content))
    originals = {path.name: json.loads(path.read_text()) for path in directory.glob("*.json")}
    refused = 0
    for _ in range(600):
        name = rng.choice(sorted(originals))
        (directory / name).write_text(json.dumps(mutate(originals[name], rng)))
        start = time.process_time()
        try:
            convert(
                directory,
                tmp_path / "out.gguf",
                outtype="f32",
                progress=lambda _: None,
                cancelled=lambda: False,
            )
        except BadRequestError:
            refused += 1
        assert time.process_time() - start < 10  # a hang, not a slow machine
        (directory / name).write_text(json.dumps(originals[name]))
    assert 100 < refused < 550
