"""Starts a runner as the policy has planned it, with what was measured for its model and what was saved of it."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from puna.engine.config import RunnerConfig
from puna.engine.errors import ModelLoadError
from puna.engine.memory_limit import allocated, limit_memory, stacks
from puna.engine.runner import Runner
from puna.engine.template_trial import HARMLESS, TemplateTrials
from puna.models.gguf import kv_cache_bytes_per_token
from puna.models.model import Model
from puna.scheduler.admission import Request
from puna.scheduler.beginnings import needs_whole
from puna.scheduler.capacity import Capacity
from puna.scheduler.demand import Demand
from puna.scheduler.drafting import drafted
from puna.scheduler.launch import (
    NOTHING_ASKED,
    can_save_slots,
    demand_of,
    engine_identity,
    engine_of,
    runner_config,
    session_key,
)
from puna.scheduler.lease import LoadedModel
from puna.scheduler.options import RunnerOptions
from puna.scheduler.policy import Policy, Resident
from puna.scheduler.sessions import SessionStore
from puna.scheduler.tuned import UNTUNED, Tuned
from puna.scheduler.tuning_store import TuningStore
from puna.scheduler.warm import WarmSlots
from puna.settings import Settings

_log = logging.getLogger(__name__)
_PROCESS = 128 << 20
"""What a process may ask for before it has read anything of a model."""
_IMAGES = 4 << 30
"""What reading a large picture may take beyond what is planned."""
_LOADING = 1.25
"""How many times what is planned a load may ask for."""


class Loader:
    """Loads models; ``make_room`` takes away those that ``Policy.squeeze`` names."""

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        policy: Policy,
        capacity: Capacity,
        make_room: Callable[[list[Resident]], Awaitable[None]],
    ) -> None:
        """Runners listen on sockets in ``directory``."""
        self._settings = settings
        self._directory = directory
        self._policy = policy
        self._capacity = capacity
        self._make_room = make_room
        self._templates = TemplateTrials(settings.home / "templates", directory)
        self._tuning = TuningStore(settings.home / "tuning")
        self._has_looked = False
        self.sessions = SessionStore(settings.models / "puna" / "sessions", settings.sessions)

    async def close(self) -> None:
        """End what is under way beside loads."""
        await self._templates.close()

    def chosen(self, model: Model, options: RunnerOptions = NOTHING_ASKED) -> tuple[str, Tuned]:
        """Return the engine that is chosen for a model, and what is stored of how the model runs best on it here."""
        engine = engine_of(model, self._settings, options.engine)
        return engine, self._tuning.get(model, engine_identity(engine))

    async def choose(self, model: Model, options: RunnerOptions) -> tuple[str, Tuned]:
        """Do what ``chosen`` does; the first time beside the event loop, as it asks which processor this is and loads
        what reads which engine is installed."""
        if self._has_looked:
            return self.chosen(model, options)
        found = await asyncio.to_thread(self.chosen, model, options)
        self._has_looked = True
        return found

    def demand(self, model: Model, options: RunnerOptions, engine: str, tuned: Tuned) -> Demand:
        """Return what a request needs of a runner."""
        return demand_of(model, options, self._settings, engine, tuned, self._capacity.cards(engine))

    async def template_fault(self, model: Model, engine: str) -> str:
        """Return why the engine cannot use the model's own chat template, "" if it can."""
        if model.is_builtin or model.is_checkpoint:  # an engine that reads one has templates in a sandbox
            return ""
        return await self._templates.fault(model.gguf, engine, engine_identity(engine))

    async def load(self, resident: Resident, request: Request) -> LoadedModel:
        """Start a runner; once more, and smaller if need be, when memory may have been the reason that it failed.

        Raises ``ModelLoadError``, and whatever else keeps a process from being started.
        """
        try:
            return await self._load(resident, request)
        except ModelLoadError as error:
            guesses = drafted(request.tuned, request.model, request.options.draft_num_predict).speculation
            if not (error.out_of_memory or error.killed or request.tuned != UNTUNED or guesses):
                raise
            without = f" without {guesses}" if guesses.startswith("draft-") else ""
            _log.warning("%s; trying once more%s", error, without)
            request.tuned = UNTUNED  # what was measured once may not be possible any more
            request.options = replace(request.options, draft_num_predict=0)
            # The system kills without a word whoever takes more memory than there is.
            free = await self._capacity.free_on_cards(request.engine) if resident.plan.on_cards else 0
            victims = self._policy.squeeze(resident, shrink=error.out_of_memory, cards=free)
        await self._make_room(victims)
        return await self._load(resident, request)

    async def _load(self, resident: Resident, request: Request) -> LoadedModel:
        model = request.model
        config = runner_config(model, request.options, resident.plan, self._settings, request.engine, request.tuned)
        _ = model.config  # read now, for the list of models in memory: the file may be gone before the model is
        fault = await self.template_fault(model, request.engine)
        if fault:
            config = replace(config, chat_template=HARMLESS)
        warm = await asyncio.to_thread(self._warm_slots, model, config)
        extra = self._extra(resident, model)
        runner = await Runner.start(
            str(model.name),
            replace(config, slot_directory=str(warm.place) if warm else ""),
            self._directory,
            load_timeout=self._settings.load_timeout,
            memory=int(_LOADING * resident.plan.size) + stacks() + _PROCESS + extra if extra else 0,
            debug=self._settings.debug,
        )
        runner.client.template_fault = fault
        has = allocated(runner.pid)
        if extra and has:
            limit_memory(runner.pid, has + extra)
        most = resident.plan.size + resident.plan.prompt_cache + self._settings.memory_margin + _images(model)
        return LoadedModel(
            model,
            runner.config,
            runner,
            resident,
            self._settings.sections.of(model.name).stay(None, self._settings.keep_alive),
            warm,
            request.tuned,
            most_memory=most if self._settings.memory_margin else math.inf,
        )

    def _extra(self, resident: Resident, model: Model) -> int:
        """Return how many bytes a runner may ask for once it has all that was planned; 0 if nothing bounds it.

        Drivers of graphics cards ask for far more than they use.
        """
        if not self._settings.memory_margin or resident.demand.cards or model.is_checkpoint:
            return 0
        return resident.plan.prompt_cache + self._settings.memory_margin + _images(model)

    def _warm_slots(self, model: Model, config: RunnerConfig) -> WarmSlots | None:
        """Return the saved sessions of a model, ``None`` if there can be none."""
        if not self.sessions.limit or not can_save_slots(model, config):
            return None
        try:
            place = self.sessions.directory(session_key(model, config))
            return WarmSlots(
                self.sessions,
                place,
                kv_cache_bytes_per_token(model.gguf, config.kv_type),
                slots=config.parallel,
                whole=needs_whole(model.engine_gguf),
            )
        except OSError as error:
            _log.warning("no sessions are saved for %s: %s", model.name, error)
            return None


def _images(model: Model) -> int:
    return _IMAGES if model.projectors else 0
