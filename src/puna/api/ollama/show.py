"""What ``/api/show``, ``/api/tags`` and ``/api/ps`` say about a model."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from puna.api.http.responses import json_bytes
from puna.inference.capabilities import capabilities
from puna.models.gguf import GGUFArray
from puna.models.listing import Listing
from puna.models.model import Model
from puna.models.modelfile.write import modelfile_of, parameter_lines
from puna.scheduler.residency import ModelState

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
    """Return a model's entry in ``/api/tags``."""
    return {
        "name": str(model.name),
        "model": str(model.name),
        "modified_at": model.modified_at,
        "size": model.size,
        "digest": model.digest,
        "details": details(model),
    }


_list_bodies: WeakKeyDictionary[Listing, bytes] = WeakKeyDictionary()


def list_body(listing: Listing) -> bytes:
    """Return the body of ``/api/tags``, which is the same for as long as the listing is."""
    body = _list_bodies.get(listing)
    if body is None:
        body = _list_bodies[listing] = json_bytes({"models": [listed(model) for model in listing.models]})
    return body


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
    }


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
