"""Checkpoints in the safetensors format to GGUF."""

from puna.models.create.convert.adapter import convert_adapter
from puna.models.create.convert.errors import ConvertError
from puna.models.create.convert.model import OUTTYPES, convert

__all__ = ["OUTTYPES", "ConvertError", "convert", "convert_adapter"]
