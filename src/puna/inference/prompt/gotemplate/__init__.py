"""Go's ``text/template`` language: lexer, parser, and a compiler to closures."""

from puna.inference.prompt.gotemplate.errors import (
    TemplateError,
    TemplateExecutionError,
    TemplateLimitError,
    TemplateSyntaxError,
)
from puna.inference.prompt.gotemplate.runtime import Limits
from puna.inference.prompt.gotemplate.template import Template

__all__ = [
    "Limits",
    "Template",
    "TemplateError",
    "TemplateExecutionError",
    "TemplateLimitError",
    "TemplateSyntaxError",
]
