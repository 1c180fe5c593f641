"""What can be wrong with a checkpoint that is to be converted."""

from puna.errors import BadRequestError


class ConvertError(BadRequestError):
    """The checkpoint cannot be converted; the text names the file and the reason."""
