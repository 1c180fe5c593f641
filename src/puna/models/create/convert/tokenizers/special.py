"""Special tokens: their ids, which of them are put around a text, and the chat template."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf

from puna.models.create.convert.config import Config, read_json
from puna.models.create.convert.errors import ConvertError

_KINDS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
MAX_TEMPLATE = 2**20


@dataclass(slots=True)
class SpecialTokens:
    """Ids by kind, and whether a text is given a token of that kind at its edges."""

    ids: dict[str, int] = field(default_factory=dict)
    added: dict[str, bool] = field(default_factory=dict)
    chat_template: str | None = None

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add the keys of the special tokens and the chat template."""
        for kind, number in self.ids.items():
            writer.add_uint32(gguf_key(kind), number)
        for kind, value in self.added.items():
            writer.add_bool(f"tokenizer.ggml.add_{kind}_token", value)
        if self.chat_template is not None:
            writer.add_chat_template(self.chat_template)


def gguf_key(kind: str) -> str:
    """The metadata key for the id of a special token; two kinds have longer names there."""
    name = {"unk": "unknown", "sep": "seperator", "pad": "padding"}.get(kind, kind)
    return f"tokenizer.ggml.{name}_token_id"


def read_special_tokens(
    directory: Path, tokenizer: Mapping[str, Any], config: Mapping[str, Any], model: Config, size: int
) -> SpecialTokens:
    """Gather the special tokens of a checkpoint from its files; ids outside the vocabulary are left out."""
    special = SpecialTokens(chat_template=_chat_template(directory, config))
    texts = _token_texts(tokenizer, size)
    spelled = {kind: _text(config.get(f"{kind}_token")) for kind in _KINDS}
    # BERT marks beginning and end with the tokens that it calls class and separator.
    spelled["bos"] = spelled["bos"] or spelled["cls"]
    spelled["eos"] = spelled["eos"] or spelled["sep"]
    for kind in _KINDS:
        number = texts.get(spelled[kind] or "")
        if number is None:
            number = _first(model.data.get(f"{kind}_token_id"))
        if number is not None and 0 <= number < size:
            special.ids[kind] = number
    _add_turn_end(directory, special, model, size)
    _edges(tokenizer, texts, special)
    for kind in ("bos", "eos"):
        value = config.get(f"add_{kind}_token")
        if isinstance(value, bool):
            special.added[kind] = value
    return special


def _token_texts(tokenizer: Mapping[str, Any], size: int) -> dict[str, int]:
    """Text to id of all tokens that the model has an embedding for."""
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, Mapping) else None
    added = tokenizer.get("added_tokens")
    entries: list[tuple[object, object]] = list(vocabulary.items()) if isinstance(vocabulary, Mapping) else []
    for item in added if isinstance(added, list) else ():
        if isinstance(item, Mapping):
            entries.append((item.get("content"), item.get("id")))
    return {
        text: number
        for text, number in entries
        if isinstance(text, str) and isinstance(number, int) and 0 <= number < size
    }


def _text(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) else None


def _first(value: object) -> int | None:
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _add_turn_end(directory: Path, special: SpecialTokens, model: Config, size: int) -> None:
    """A model with several end tokens: one more of them fits into ``eot``, the end of a turn."""
    generation = read_json(directory / "generation_config.json") or {}
    for source in (generation.get("eos_token_id"), model.data.get("eos_token_id")):
        for number in source if isinstance(source, list) else (source,):
            if not isinstance(number, int) or isinstance(number, bool):
                continue
            if 0 <= number < size and number != special.ids.get("eos"):
                special.ids["eot"] = number
                return


def _edges(tokenizer: Mapping[str, Any], texts: Mapping[str, int], special: SpecialTokens) -> None:
    """What the post-processor puts before and after a single text decides ``add_bos`` and ``add_eos``."""
    special.added.update(bos=False, eos=False)
    if not tokenizer:  # only tokenizer.model: SentencePiece models begin a text with bos
        special.added["bos"] = "bos" in special.ids
        return
    processor = tokenizer.get("post_processor")
    steps = processor.get("processors", [processor]) if isinstance(processor, Mapping) else []
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, Mapping):
            continue
        if step.get("type") in ("BertProcessing", "RobertaProcessing"):
            special.added.update(bos=True, eos=True)
        if step.get("type") == "TemplateProcessing":
            _template_edges(step.get("single"), texts, special)


def _template_edges(template: object, texts: Mapping[str, int], special: SpecialTokens) -> None:
    if not isinstance(template, list) or len(template) < 2:
        return
    for kind, item in (("bos", template[0]), ("eos", template[-1])):
        entry = item.get("SpecialToken") if isinstance(item, Mapping) else None
        text = entry.get("id") if isinstance(entry, Mapping) else None
        if isinstance(text, str) and text in texts:
            special.ids[kind] = texts[text]
            special.added[kind] = True


def _chat_template(directory: Path, config: Mapping[str, Any]) -> str | None:
    """The template of the conversation: from its own file, or from the tokenizer's configuration."""
    own = directory / "chat_template.jinja"
    if own.is_file():
        if own.stat().st_size > MAX_TEMPLATE:
            raise ConvertError(f"{own.name} is larger than {MAX_TEMPLATE // 2**20} MiB")
        return own.read_text("utf-8", errors="replace")
    template = config.get("chat_template")
    if template is None:
        template = (read_json(directory / "chat_template.json") or {}).get("chat_template")
    if isinstance(template, list):  # several named ones: the default is the one for conversations
        named = [item for item in template if isinstance(item, Mapping)]
        template = next((item.get("template") for item in named if item.get("name") == "default"), None)
    return template if isinstance(template, str) else None
