"""What ``/api/show``, ``/api/tags`` and ``/api/ps`` say about a model."""

import math
import struct
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from puna.api.facts import FACTS, Facts, facts_of
from puna.api.http.responses import json_bytes
from puna.inference.support import cannot_run
from puna.models.gguf import GGUFArray, GGUFFile
from puna.models.listing import Listing
from puna.models.model import Model
from puna.models.modelfile.write import modelfile_of, parameter_lines
from puna.names import ModelName
from puna.scheduler.residency import ModelState

_FLOAT = struct.Struct("<f")
_FILLS_IN = "between .Prompt and .Suffix it fills in, by tokens of its own"
_LEFT_OUT = ("general.name", "tokenizer.chat_template")
_NEVER = timedelta(days=106_751)
"""How far ahead Ollama puts the end of a model that stays for ever: the longest duration that Go can count."""


def details(model: Model, facts: Facts | None = None) -> dict[str, Any]:
    """Return the details that lists show, with the lengths that ``facts`` has."""
    config = model.config
    body: dict[str, Any] = {
        "parent_model": model.parent,
        "format": config.format,
        "family": config.family,
        "families": list(config.families),
        "parameter_size": config.parameter_size,
        "quantization_level": config.quantization,
    }
    if facts is not None:
        lengths = {"context_length": facts.context_length, "embedding_length": facts.embedding_length}
        body |= {name: length for name, length in lengths.items() if length}
    return body


def listed(model: Model, facts: Facts | None) -> dict[str, Any]:
    """Return a model's entry in ``/api/tags``; without ``facts``, its files cannot be read.

    A ``warning`` says why it cannot run, if it cannot.
    """
    body: dict[str, Any] = {
        "name": str(model.name),
        "model": str(model.name),
        "modified_at": model.modified_at,
        "size": model.size,
        "digest": model.digest,
        "details": details(model, facts),
    }
    body |= {"capabilities": list(facts.capabilities)} if facts else {}
    reason = cannot_run(model, read_header=False)
    return body | ({"warning": reason} if reason else {})


Aliases = Sequence[tuple[ModelName, Model]]
_list_bodies: WeakKeyDictionary[Listing, tuple[Aliases, bytes]] = WeakKeyDictionary()


def list_body(listing: Listing, aliases: Aliases = ()) -> bytes:
    """Return the body of ``/api/tags``, which is the same for as long as the listing and the aliases are. For a thread.

    An alias has the entry of its model, with ``alias_of``.
    """
    known, body = _list_bodies.get(listing, ((), None))
    if body is None or known != aliases:
        facts = FACTS.of(listing.models)
        entries = [listed(model, facts.get(model.digest)) for model in listing.models]
        for alias, model in aliases:
            own = {"name": str(alias), "model": str(alias), "alias_of": str(model.name)}
            entries.append(listed(model, facts.get(model.digest)) | own)
        body = json_bytes({"models": entries})
        _list_bodies[listing] = aliases, body
    return body


def known_list_body(listing: Listing) -> bytes | None:
    """Return what ``list_body`` has made of the listing without aliases, ``None`` if it has not."""
    known, body = _list_bodies.get(listing, ((), None))
    return None if known else body


def running(state: ModelState) -> dict[str, Any]:
    """Return a model's entry in ``/api/ps``."""
    stays = not math.isfinite(state.expires_at)
    expires = datetime.now(UTC) + _NEVER if stays else datetime.fromtimestamp(state.expires_at, UTC)
    return {
        "name": str(state.model.name),
        "model": str(state.model.name),
        "size": state.size,
        "digest": state.model.digest,
        "details": details(state.model),
        "expires_at": expires,
        "size_vram": state.size_on_cards,
        "context_length": state.context,
        "memory": asdict(state.memory),
    } | _guessing(state)


def _guessing(state: ModelState) -> dict[str, Any]:
    """Return how the runner guesses tokens ahead, nothing if it does not."""
    if not state.speculation:
        return {}
    return {"speculation": {"type": state.speculation, "draft_num_predict": state.guesses}}


def shown(model: Model, *, verbose: bool, system: str = "") -> dict[str, Any]:
    """Return everything about a model; ``verbose`` adds long lists."""
    facts, config = facts_of(model), model.config
    body: dict[str, Any] = {
        "license": "\n".join(model.licenses),
        "modelfile": modelfile_of(model),
        "parameters": "\n".join(parameter_lines(model.parameters)),
        "template": _template(model, facts),
        "system": system or model.system,
        "renderer": config.renderer,
        "parser": config.parser,
        "details": details(model, facts),
        "messages": [dict(message) for message in model.messages],
        "model_info": _metadata(model.ggufs, leave_out=_LEFT_OUT, verbose=verbose),
        "projector_info": _metadata([model.projector_gguf] if model.projector_gguf else [], verbose=verbose),
        "tensors": [
            {"name": tensor.name, "type": tensor.type.name, "shape": list(tensor.shape)}
            for part in model.ggufs
            for tensor in part.tensors
        ],
        "capabilities": list(facts.capabilities),
        "modified_at": model.modified_at,
        "requires": config.requires,
        "warning": cannot_run(model, read_header=True),
    }
    return {name: value for name, value in body.items() if value not in ("", [], {}) or name == "model_info"}


def _template(model: Model, facts: Facts) -> str:
    """Return the model's template, its own or its file's.

    Programs (Continue among them) look for ".Suffix" in it to learn whether the model fills in the middle. Where tokens
    of the model do that without a template, a comment tells them.
    """
    text = model.template or model.gguf.chat_template or ""
    if "insert" not in facts.capabilities or ".Suffix" in text:
        return text
    return text + ("{{/* %s */}}" if model.template else "{# %s #}") % _FILLS_IN


def _metadata(ggufs: Sequence[GGUFFile], *, leave_out: Sequence[str] = (), verbose: bool) -> dict[str, Any]:
    """Return the metadata of the first file, with the count of the weights of all."""
    if not ggufs:
        return {}
    metadata = ggufs[0].metadata
    values = {name: _value(value, verbose=verbose) for name, value in metadata.items() if name not in leave_out}
    count = sum(part.parameter_count for part in ggufs)
    return dict(sorted((values | {"general.parameter_count": count}).items()))


def _value(value: Any, *, verbose: bool) -> Any:
    """Return a value of the metadata; what is in an array stays out (``null``) unless ``verbose``, as in Ollama."""
    if isinstance(value, GGUFArray | tuple):
        if not verbose:
            return None if (value.length if isinstance(value, GGUFArray) else value) else []
        items = value.load() if isinstance(value, GGUFArray) else value
        return [_shortest(item) if isinstance(item, float) else item for item in items]
    return _shortest(value) if isinstance(value, float) else value


def _shortest(number: float) -> float:
    """Return the number with the fewest digits that means the same in 32 bits, which is how files hold numbers.

    What 32 bits cannot hold (a number of 64, an infinity) is returned as it is.
    """
    if not _is_same_in_32_bits(number, number):
        return number
    tries = (float(f"{number:.{digits}g}") for digits in range(6, 10))
    return next((short for short in tries if _is_same_in_32_bits(short, number)), number)


def _is_same_in_32_bits(number: float, other: float) -> bool:
    try:
        return bool(_FLOAT.unpack(_FLOAT.pack(number))[0] == other)
    except OverflowError:
        return False
