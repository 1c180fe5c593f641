"""What can be wrong with a model that is to be quantised."""

from puna.errors import BadRequestError


class QuantizeError(BadRequestError):
    """The model cannot be quantised as asked; the text names the tensor or the file and the reason."""
