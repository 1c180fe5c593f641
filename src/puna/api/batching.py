"""What the batches of every dialect share: the routes that answer their requests, and the journal."""

from puna.api.services import Services
from puna.errors import BadRequestError
from puna.jobs.batches_journal import Journal

PREFIX = "/v1"
ENDPOINTS = tuple(f"{PREFIX}/{name}" for name in ("chat/completions", "completions", "embeddings", "responses"))
"""What OpenAI's batches may ask."""
MESSAGES = f"{PREFIX}/messages"
"""What Anthropic's batches ask."""


def journal_of(services: Services) -> Journal:
    """Return the journal of batches; raise ``BadRequestError`` where none are taken."""
    if not services.journal.is_on:
        raise BadRequestError("this server takes no batches (PUNA_BATCHES)")
    return services.journal
