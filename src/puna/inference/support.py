"""Whether a model on disk can run here, as lists and descriptions say it."""

from puna.engine.architectures import known_architectures
from puna.engine.vllm import program as vllm
from puna.models.gguf_types import GGUFError
from puna.models.layouts.families import ALL
from puna.models.manifests import BadManifestError
from puna.models.model import Model
from puna.models.store import BlobNotFoundError
from puna.models.unsupported import GPT_OSS, unknown_architecture, unsupported, unsupported_architecture

_TRANSLATED = frozenset(name for layout in ALL for name in layout.architectures)


def cannot_run(model: Model, *, read_header: bool) -> str:
    """Return why nothing here can run a model, with what to do instead; "" if it can as far as that is known.

    Without ``read_header``, files are opened only of those families of which some cannot run.
    """
    if model.is_checkpoint:  # vLLM says at a load whether it knows the family
        return (
            ""
            if vllm.find_program()
            else "it is a checkpoint in safetensors, which vLLM runs: pip install 'puna[vllm]'"
        )
    family = model.config.family
    if read_header or family in GPT_OSS:
        try:
            reason = unsupported(model.gguf)
            family = model.gguf.architecture
        except (GGUFError, BadManifestError, BlobNotFoundError, OSError) as error:
            return str(error)
        if reason:
            return reason
    known = known_architectures()
    if known and family and family not in known | _TRANSLATED:
        return unknown_architecture(family)
    return unsupported_architecture(family)
