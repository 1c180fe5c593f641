"""Qwen 3, whose prompts come from a template."""

from puna.inference.families.parsing import Asked, TagParser
from puna.inference.families.qwen_text import json_parser


def parser(_: Asked) -> TagParser:
    """Return a parser of the answers of the model that does not think."""
    return json_parser(thinking=False, opens=False)


def thinking_parser(asked: Asked) -> TagParser:
    """Return a parser of the answers of the model that thinks unless it is told not to."""
    return json_parser(thinking=asked.thinks(True), opens=True)
