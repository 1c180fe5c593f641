"""Go's ``text/template`` language: lexer, parser, and a compiler to closures."""

from puna.gotemplate.errors import (
    TemplateError,
    TemplateExecutionError,
    TemplateLimitError,
    TemplateSyntaxError,
)
from puna.gotemplate.runtime import Limits
from puna.gotemplate.template import Template

__all__ = [
    "Limits",
    "Template",
    "TemplateError",
    "TemplateExecutionError",
    "TemplateLimitError",
    "TemplateSyntaxError",
]
