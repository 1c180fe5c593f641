"""The parameters of a Modelfile by the rules of options, each fault at its line."""

from puna.config.near import hint
from puna.errors import BadRequestError, PunaError
from puna.inference.options import OPTION_NAMES, Options
from puna.models.modelfile.parse import Command, Modelfile, ModelfileError
from puna.models.modelfile.values import parameter_value


def check_parameter(command: Command) -> None:
    """Raise ``PunaError`` for a ``PARAMETER`` that is no option, or has a value that the option cannot have."""
    options = Options.merge({command.key: parameter_value(command.key, command.value)})
    if options.unknown:
        raise BadRequestError(f"unknown parameter '{command.key}'{hint(command.key, OPTION_NAMES)}")


def check_parameters(modelfile: Modelfile) -> Modelfile:
    """Return the Modelfile; raise ``ModelfileError`` for the first parameter that no model can be made with."""
    for command in modelfile.commands:
        if command.name == "PARAMETER":
            try:
                check_parameter(command)
            except PunaError as error:
                raise ModelfileError(command.line, f"{command.name}: {error}") from error
    return modelfile
