"""What a command says when it fails."""

from puna.errors import PunaError


class CommandError(PunaError):
    """A command cannot do what it was asked; the text is all that the user needs to know."""
