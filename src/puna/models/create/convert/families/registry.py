"""Which family a checkpoint belongs to."""

from pathlib import Path

from puna.models.create.convert.config import Config
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.families.bert import Bert
from puna.models.create.convert.families.gemma2 import Gemma2
from puna.models.create.convert.families.gemma3 import Gemma3
from puna.models.create.convert.families.llama import Llama
from puna.models.create.convert.families.mistral import Mistral
from puna.models.create.convert.families.nomic_bert import NomicBert
from puna.models.create.convert.families.phi3 import Phi3
from puna.models.create.convert.families.qwen2 import Qwen2
from puna.models.create.convert.families.qwen3 import Qwen3
from puna.models.create.convert.family import Family

FAMILIES: tuple[type[Family], ...] = (Llama, Mistral, Qwen2, Qwen3, Gemma2, Gemma3, Phi3, Bert, NomicBert)
BY_ARCHITECTURE = {name: family for family in FAMILIES for name in family.architectures}


def find_family(config: Config, directory: Path) -> Family:
    """The family that converts this checkpoint. Raises :class:`ConvertError` for one that none converts."""
    if config.data.get("quantization_config"):
        raise ConvertError("config.json: checkpoints that are already quantised cannot be converted")
    for name in config.architectures:
        if name in BY_ARCHITECTURE:
            return BY_ARCHITECTURE[name](config, directory)
    names = ", ".join(config.architectures) or "nothing"
    raise ConvertError(f"config.json: the architecture {names:.120} is not supported")
