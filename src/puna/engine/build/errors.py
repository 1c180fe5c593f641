"""Why a build did not come about."""

from puna.errors import PunaError


class BuildError(PunaError):
    """An engine could not be built; nothing has changed."""
