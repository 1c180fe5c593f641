"""What can be wrong with a template; the texts follow Go's ``text/template``."""

from puna.errors import BadRequestError


class TemplateError(BadRequestError):
    """A template cannot be parsed or executed; the text names the template, the line and the reason."""


class TemplateSyntaxError(TemplateError):
    """The text is not a template. ``line`` counts from 1."""

    def __init__(self, name: str, line: int, reason: str) -> None:
        super().__init__(f"template: {name}:{line}: {reason}")
        self.line = line
        self.reason = reason


class TemplateExecutionError(TemplateError):
    """A template met data that it cannot handle."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class TemplateLimitError(TemplateExecutionError):
    """A template asked for more work, more text or more depth than one rendering may use."""


class FunctionError(Exception):
    """A function refuses its arguments; the evaluator turns it into a :class:`TemplateExecutionError`."""
