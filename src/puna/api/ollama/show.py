"""What ``/api/show``, ``/api/tags`` and ``/api/ps`` say about a model."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from puna.api.http.responses import json_bytes
from puna.inference.capabilities import capabilities
from puna.inference.support import cannot_run
from puna.models.gguf import GGUFArray
from puna.models.listing import Listing
from puna.models.model import Model
from puna.models.modelfile.write import modelfile_of, parameter_lines
from puna.scheduler.lease import LoadedModel

_SHORT_ARRAY = 5
_LEFT_OUT = ("general.name", "tokenizer.chat_template")
_NEVER = timedelta(days=106_751)
"""How far ahead Ollama puts the end of a model that stays for ever: the longest duration that Go can count."""


def details(model: Model) -> dict[str, Any]:
    """Return the details that lists show."""
    config = model.config
    return {
        "parent_model": "",
        "format": config.format,
        "family": config.family,
        "families": list(config.families),
        "parameter_size": config.parameter_size,
        "quantization_level": config.quantization,
    }


def listed(model: Model) -> dict[str, Any]:
    """Return a model's entry in ``/api/tags``; ``warning`` is there if it cannot run."""
    reason = cannot_run(model, read_header=False)
    return {
        "name": str(model.name),
        "model": str(model.name),
        "modified_at": model.modified_at,
        "size": model.size,
        "digest": model.digest,
        "details": details(model),
    } | ({"warning": reason} if reason else {})


_list_bodies: WeakKeyDictionary[Listing, bytes] = WeakKeyDictionary()


def list_body(listing: Listing) -> bytes:
    """Return the body of ``/api/tags``, which is the same for as long as the listing is."""
    body = _list_bodies.get(listing)
    if body is None:
        body = _list_bodies[listing] = json_bytes({"models": [listed(model) for model in listing.models]})
    return body


def running(entry: LoadedModel) -> dict[str, Any]:
    """Return a model's entry in ``/api/ps``. A model that answers right now expires ``keep_alive`` from now."""
    if not math.isfinite(entry.keep_alive):
        expires = datetime.now(UTC) + _NEVER
    elif entry.users:
        expires = datetime.now(UTC) + timedelta(seconds=entry.keep_alive)
    else:
        expires = datetime.fromtimestamp(entry.expires_at, UTC)
    return {
        "name": str(entry.model.name),
        "model": str(entry.model.name),
        "size": entry.size,
        "digest": entry.model.digest,
        "details": details(entry.model),
        "expires_at": expires,
        "size_vram": entry.size_on_cards,
        "context_length": entry.config.context,
    } | _guessing(entry)


def _guessing(entry: LoadedModel) -> dict[str, Any]:
    """Return how the runner guesses tokens ahead, nothing if it does not."""
    config = entry.config
    if not config.speculation:
        return {}
    return {"speculation": {"type": config.speculation, "draft_num_predict": config.draft_tokens}}


def shown(model: Model, *, verbose: bool, system: str = "") -> dict[str, Any]:
    """Return everything about a model; ``verbose`` adds long lists and tensors."""
    gguf = model.gguf
    body: dict[str, Any] = {
        "license": "\n".join(model.licenses),
        "modelfile": modelfile_of(model),
        "parameters": "\n".join(parameter_lines(model.parameters)),
        "template": model.template or gguf.chat_template or "",
        "system": system or model.system,
        "details": details(model),
        "messages": [dict(message) for message in model.messages],
        "model_info": _metadata(model, verbose=verbose),
        "capabilities": list(capabilities(model)),
        "modified_at": model.modified_at,
        "warning": cannot_run(model, read_header=True),
    }
    if model.config.requires:
        body["requires"] = model.config.requires
    if verbose:
        body["tensors"] = [
            {"name": tensor.name, "type": tensor.type.name, "shape": list(tensor.shape)}
            for part in model.ggufs
            for tensor in part.tensors
        ]
    return {name: value for name, value in body.items() if value not in ("", [])}


def _metadata(model: Model, *, verbose: bool) -> dict[str, Any]:
    metadata = model.gguf.metadata
    values = {name: _value(value, verbose=verbose) for name, value in metadata.items() if name not in _LEFT_OUT}
    count = sum(part.parameter_count for part in model.ggufs)
    return dict(sorted((values | {"general.parameter_count": count}).items()))


def _value(value: Any, *, verbose: bool) -> Any:
    if isinstance(value, GGUFArray):
        return list(value.load()) if verbose else []
    if isinstance(value, tuple):
        return list(value) if verbose or len(value) <= _SHORT_ARRAY else []
    return value
