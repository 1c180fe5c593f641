"""The projectors of LLaVA and BakLLaVA, files of their own that do not say of which kind they are."""

from puna.models.gguf import GGUFFile
from puna.models.layouts.layout import Layout, lacks_keys
from puna.models.layouts.steps import fixed


def _unsaid(gguf: GGUFFile) -> bool:
    silent = lacks_keys("clip.projector_type", "clip.vision.projector_type")(gguf)
    return silent and gguf.metadata.get("clip.has_vision_encoder") is True


LAYOUT = Layout(name="llava", architectures=("clip",), marked=_unsaid, text=(fixed({"clip.projector_type": "mlp"}),))
