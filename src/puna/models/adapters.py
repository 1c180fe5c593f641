"""``model:adapter``: a model with one of its adapters, and without the others.

An adapter is called as its file was when the model was made. The name means a model with that tag, where there is one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from puna.errors import ModelNotFoundError
from puna.models.manifests import ADAPTER, BadManifestError
from puna.names import DEFAULT_TAG, ModelName

if TYPE_CHECKING:
    from puna.models.library import Library
    from puna.models.model import Model

_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 80
_BLOB = re.compile(r"sha256[-:][0-9a-f]{64}")
"""What a file is called that has lost its name, as in the Modelfile that is shown."""


def adapter_title(file_name: str) -> str:
    """Return what an adapter of this file is called, which can be a tag; "" for a blob, or if none can."""
    if _BLOB.fullmatch(file_name):
        return ""
    return _OTHER.sub("-", PurePath(file_name).stem).strip("-.")[:_LONGEST]


def adapted_names(model: "Model") -> Iterator[ModelName]:
    """Yield the names of a model with each of its adapters."""
    if model.name.tag == DEFAULT_TAG:
        titles = [layer.title for layer in model.manifest.of_type(ADAPTER)]
        yield from (replace(model.name, tag=title) for title in dict.fromkeys(titles) if title)


def adapted(library: "Library", name: ModelName) -> "Model | None":
    """Return the model that ``name`` means as one with an adapter, ``None`` if it does not."""
    try:
        model = library.get(replace(name, tag=DEFAULT_TAG))
    except (ModelNotFoundError, BadManifestError):
        return None
    titles = [layer.title.lower() for layer in model.manifest.of_type(ADAPTER)]
    if name.tag.lower() not in titles:
        return None
    alone = {"lora": [{"id": titles.index(name.tag.lower()), "scale": 1.0}]}
    others = model.overrides

    def overrides() -> Mapping[str, Any]:
        return {**others(), **alone}

    return replace(model, overrides=overrides)
