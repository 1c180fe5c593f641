"""Models that a server brings into memory at its start, as their sections in the files of settings say."""

import asyncio
import logging

from puna.api.services import Services
from puna.errors import PunaError
from puna.inference.options import Options
from puna.names import ModelName
from puna.scheduler.lease import Caller

_log = logging.getLogger(__name__)


async def preload(services: Services) -> None:
    """Bring the models that sections name into memory, one after another; what fails is told in the log."""
    for name, section in services.settings.sections:
        if section.preload:
            await _preload(services, name)


async def _preload(services: Services, name: ModelName) -> None:
    try:
        model = await asyncio.to_thread(services.library.get, name)
        options = Options.merge(services.option_defaults, await asyncio.to_thread(lambda: model.defaults))
        await services.service.load(model, options.runner, Caller(client="preload"), None)
    except (PunaError, OSError) as error:
        _log.warning("%s is not brought into memory: %s", name, error)
