"""Which runner of a model a request takes: the one that generates, or the one that embeds.

A text to embed is evaluated in one step, which must be as long as the text: a runner made for that generates more
slowly and takes more memory. So a chat model that is asked for vectors gets a second, small runner, which shares the
mapped weights; texts then wait for no answer. Where memory has no room for both, one runner does both, from then on.
"""

from dataclasses import dataclass, replace

from puna.models.model import Model
from puna.scheduler.launch import footprint, is_embedding_model
from puna.scheduler.loader import Loader
from puna.scheduler.options import RunnerOptions
from puna.scheduler.policy import Policy
from puna.settings import Settings

_EMBEDS = " embeds"


@dataclass(frozen=True, slots=True)
class Lane:
    """The line that a request waits in: its key, the options of its runner, the tokens that it may fill (0: all)."""

    key: str
    options: RunnerOptions
    context: int


class Lanes:
    """Chooses lanes, and remembers which models need one runner that does both."""

    def __init__(self, settings: Settings, policy: Policy, loader: Loader) -> None:
        self._settings = settings
        self._policy = policy
        self._loader = loader
        self._both: set[str] = set()

    def of(self, model: Model, options: RunnerOptions) -> Lane:
        """Return the lane of a request for ``model`` with these options."""
        lane = Lane(model.digest, options, options.num_ctx)
        if is_embedding_model(model.gguf):
            return lane
        if options.embeds and model.digest not in self._both:
            beside = self._beside(model, options)
            if beside.key in self._policy.residents or self._fits(model, beside):
                return beside
            self._both.add(model.digest)
        return replace(lane, options=replace(options, embeds=model.digest in self._both))

    def _beside(self, model: Model, options: RunnerOptions) -> Lane:
        """Return the lane of a runner that embeds only: its slots hold as much as it takes in one step."""
        size = footprint(model, self._settings)
        step = size.batch(size.trained_context)
        asked = options.num_ctx or self._settings.context_length
        return Lane(model.digest + _EMBEDS, replace(options, num_ctx=step, generates=False), asked)

    def _fits(self, model: Model, beside: Lane) -> bool:
        engine, tuned = self._loader.chosen(model, beside.options)
        embeds, generates = (
            self._loader.demand(model, options, engine, tuned) for options in (beside.options, RunnerOptions())
        )
        return self._policy.fits_beside(embeds, generates, self._policy.residents.get(model.digest))
