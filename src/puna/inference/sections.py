"""Options that the sections of models have: an operator's mistake is found at the start, not by each request."""

from puna.config.file import ConfigError
from puna.config.near import hint
from puna.config.sections import Section, Sections
from puna.errors import BadRequestError
from puna.inference.options import OPTION_NAMES, Options


def check_options(section: Section) -> None:
    """Raise ``BadRequestError`` for options that are unknown, or have values that cannot be used."""
    if unknown := Options.merge(section.options).unknown:
        raise BadRequestError(f"there is no option {unknown[0]}{hint(unknown[0], OPTION_NAMES)}")


def check_sections(sections: Sections) -> None:
    """Raise ``ConfigError`` if a section has options that cannot be used."""
    for name, section in sections:
        try:
            check_options(section)
        except BadRequestError as error:
            raise ConfigError(f"{sections.origins[name.key, 'options']}: {name}: options: {error}") from None
