"""Reads the whole store again: says what is damaged, missing or used by no model, and mends what a registry has."""

import asyncio
import contextlib
import errno
import os
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from puna.errors import BadRequestError, ModelNotFoundError, PunaError
from puna.models.manifests import BadManifestError, Layer
from puna.models.registry.api import RegistryApi
from puna.models.registry.blob_check import BlobCheck
from puna.models.registry.blobs import BlobKeeper
from puna.models.registry.download import BlobSource
from puna.models.registry.errors import BlobMissingError
from puna.models.registry.jobs import stream
from puna.models.registry.policy import AccessPolicy, host_of
from puna.models.registry.progress import Progress, Report, short
from puna.models.registry.pull import ModelStore
from puna.models.registry.remote_manifest import blobs_of
from puna.models.registry.target import Reference, Target, resolve
from puna.models.registry.threads import in_thread, together
from puna.models.storage import StorageError
from puna.models.store_report import Finding, State, StoreReport
from puna.names import ModelName, parse_name

_REPORT_STEP = 16 << 20
_NICENESS = 10
_PRUNE_AGE = 600.0
"""Seconds for which a blob without a model is left alone: one that was just uploaded waits for its model."""


@dataclass(slots=True)
class _Wanted:
    """A blob that models need."""

    layer: Layer
    names: list[ModelName] = field(default_factory=list)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.names)


@dataclass(frozen=True, slots=True)
class _Survey:
    wanted: dict[str, _Wanted]
    broken: tuple[tuple[str, str], ...]


class Verifier:
    """Verifies and repairs one library."""

    def __init__(self, library: ModelStore, api: RegistryApi, keeper: BlobKeeper, policy: AccessPolicy) -> None:
        self._library = library
        self._api = api
        self._keeper = keeper
        self._policy = policy

    def verify(self, model: str | None = None, *, prune: bool = False) -> "Run":
        """Read every blob, or those of one model. With ``prune``, remove blobs that no model uses.

        Nothing else is changed. Raises ``InvalidNameError`` or ``ModelNotFoundError``, as the run is iterated.
        """
        return Run(lambda report: self._verify(model, report, prune=prune))

    def repair(self, model: str | None = None, *, insecure: bool = False, guarded: bool = False) -> "Run":
        """Verify, put what is damaged aside, and fetch it from the models' registries.

        Only the bad ranges are fetched where they are known, otherwise the blob. What cannot be fetched stays in
        ``quarantine`` under the models directory. ``insecure`` and ``guarded`` are as for a pull.
        """
        return Run(lambda report: self._repair(model, report, insecure=insecure, guarded=guarded))

    async def _verify(self, model: str | None, report: Report, *, prune: bool) -> StoreReport:
        survey = await in_thread(self._survey, model)
        unsaved: set[str] = set()
        findings = await self._check_all(survey.wanted, report, unsaved)
        checked = [wanted for digest, wanted in survey.wanted.items() if self._keeper.blobs.has(digest)]
        if model is None:
            findings += await in_thread(self._unused, survey, prune)
        size = sum(wanted.layer.size for wanted in checked)
        warnings = tuple(f"what was checked is not remembered: {reason}" for reason in sorted(unsaved))
        return StoreReport(len(checked), size, tuple(findings), survey.broken, warnings)

    async def _repair(self, model: str | None, report: Report, *, insecure: bool, guarded: bool) -> StoreReport:
        found = await self._verify(model, report, prune=False)
        wanted = (await in_thread(self._survey, model)).wanted
        findings: list[Finding] = []
        for finding in found.findings:
            if finding.state in ("damaged", "missing") and finding.digest in wanted:
                finding = await self._mend(finding, wanted[finding.digest], report, insecure, guarded)
            findings.append(finding)
        return replace(found, findings=tuple(findings))

    def _survey(self, model: str | None) -> _Survey:
        """Return the blobs that models need, and the models that cannot be read."""
        wanted: dict[str, _Wanted] = {}
        broken: list[tuple[str, str]] = []

        def tell(path: Path, error: OSError) -> None:
            broken.append((path.name, f"{path} cannot be read: {error.strerror}"))

        for name in [parse_name(model)] if model else sorted(self._library.manifests.names(tell), key=str):
            try:
                manifest = self._library.manifests.read(name)
            except (BadManifestError, ModelNotFoundError) as error:
                if model and self._library.is_builtin(name) and isinstance(error, ModelNotFoundError):
                    raise BadRequestError(f"model '{name}' is part of Puna and not in the store") from None
                if model:
                    raise
                broken.append((str(name), str(error)))
                continue
            for layer in blobs_of(manifest):
                wanted.setdefault(layer.digest, _Wanted(layer)).names.append(name)
        return _Survey(wanted, tuple(broken))

    async def _check_all(self, wanted: dict[str, _Wanted], report: Report, unsaved: set[str]) -> list[Finding]:
        findings: list[Finding] = []
        # One thread for each core, which every other thread goes before.
        with ThreadPoolExecutor(os.cpu_count(), "verify", _be_polite) as executor:
            limit = asyncio.Semaphore(os.cpu_count() or 1)

            async def check(entry: _Wanted) -> None:
                async with limit:
                    finding = await self._check(entry, report, executor, unsaved)
                if finding is not None:
                    findings.append(finding)

            await together(*(check(entry) for entry in wanted.values()))
        return sorted(findings, key=lambda finding: finding.digest)

    async def _check(
        self, wanted: _Wanted, report: Report, executor: ThreadPoolExecutor, unsaved: set[str]
    ) -> Finding | None:
        """Return what is wrong with a blob; add to ``unsaved`` why the outcome could not be written down."""
        layer = wanted.layer
        path = self._keeper.blobs.path_for_write(layer.digest)
        loop = asyncio.get_running_loop()
        tell = _teller(layer, report)

        def on_bytes(done: int) -> None:
            if done % _REPORT_STEP == 0:
                loop.call_soon_threadsafe(tell, done)

        try:
            found = await self._keeper.check(layer.digest, on_bytes, executor)
        except FileNotFoundError:
            if self._keeper.blobs.has(layer.digest):
                return None  # it is part of the package
            return Finding("missing", layer.digest, layer.size, wanted.models)
        except OSError as error:
            # A medium that fails has lost the bytes; whoever may not read them only cannot see them.
            state: State = "damaged" if error.errno == errno.EIO else "unreadable"
            return Finding(state, layer.digest, layer.size, wanted.models, None, f"{path}: {error.strerror}")
        unsaved.update([found.unsaved] if found.unsaved else [])
        tell(layer.size)
        return (
            None if found.ok else Finding("damaged", layer.digest, layer.size, wanted.models, *_explain(found, layer))
        )

    async def _mend(self, finding: Finding, wanted: _Wanted, report: Report, insecure: bool, guarded: bool) -> Finding:
        aside = ""
        if finding.state == "damaged":
            try:
                aside = f"; it was moved to {await in_thread(self._keeper.quarantine, finding.digest)}"
            except StorageError as error:
                return replace(finding, note=f"{finding.note}; it stays where it is: {error}")
        reason = "no registry has it"
        for name in wanted.names:
            try:
                target = resolve(Reference(name), self._policy, insecure=insecure, guarded=guarded, mirrored=True)
                await self._keeper.ensure(await self._source(target, wanted.layer), report)
            except PunaError as error:
                reason = str(error)
            else:
                return replace(finding, state="repaired", note=f"fetched from {host_of(target.base)}")
        return replace(finding, note=reason + aside)

    async def _source(self, target: Target, layer: Layer) -> BlobSource:
        """Return where a blob of a model comes from: its repository, or the place that its manifest gives."""
        if await self._api.has_blob(target, layer.digest, push=False):
            return BlobSource(self._api, target, layer.digest, layer.size)
        location = (await self._api.manifest(target)).locations.get(layer.digest)
        if location is None:
            raise BlobMissingError(f"registry {host_of(target.base)} does not have blob {layer.digest}")
        return BlobSource(self._api, target, layer.digest, layer.size, location)

    def _unused(self, survey: _Survey, prune: bool) -> list[Finding]:
        """Return the blobs that no model uses and those half fetched; ``prune`` removes them where that is safe."""
        findings: list[Finding] = []
        for digest in sorted(set(self._keeper.blobs.digests()) - set(survey.wanted)):
            with contextlib.suppress(FileNotFoundError):
                stat = self._keeper.blobs.path_for_write(digest).stat()
                note = self._prune(digest, stat.st_mtime, survey) if prune else ""
                findings.append(Finding("orphaned", digest, stat.st_size, note=note))
        for digest in sorted(self._keeper.partial_digests()):
            size, note = self._keeper.partial_size(digest), ""
            if prune:
                note = self._prune_partial(digest)
            findings.append(Finding("partial", digest, size, note=note))
        if prune:
            with contextlib.suppress(StorageError):
                self._keeper.forget_gone()
        return findings

    def _prune_partial(self, digest: str) -> str:
        try:
            return "removed" if self._keeper.discard_partial(digest) else "kept: it is being fetched"
        except StorageError as error:
            return f"kept: {error}"

    def _prune(self, digest: str, changed: float, survey: _Survey) -> str:
        if survey.broken:
            return "kept: a model that cannot be read may use it"
        if time.time() - changed < _PRUNE_AGE or self._keeper.is_busy(digest):
            return "kept: it is new, and its model may be on its way"
        try:
            self._keeper.blobs.remove(digest)
            self._keeper.records.remove(digest)
        except StorageError as error:
            return f"kept: {error}"
        return "removed"


class Run:
    """One verification or repair: iterate it for its progress, then ask for the report."""

    def __init__(self, work: Callable[[Report], Awaitable[StoreReport]]) -> None:
        self._work = work
        self._report: StoreReport | None = None

    async def progress(self) -> AsyncGenerator[Progress, None]:
        """Yield the progress. Closing the iterator cancels the work."""

        async def work(report: Report) -> None:
            self._report = await self._work(report)

        async for progress in stream(work):
            yield progress

    @property
    def report(self) -> StoreReport:
        """Return the report; the progress must have been iterated to its end."""
        if self._report is None:
            raise RuntimeError("the run has not ended")
        return self._report


def _be_polite() -> None:
    """Let every other thread go before the current one."""
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _explain(found: BlobCheck, layer: Layer) -> tuple[tuple[tuple[int, int], ...] | None, str]:
    if found.size != layer.size:
        return found.damaged, f"it has {found.size} bytes and should have {layer.size}"
    return found.damaged, f"its bytes hash to {found.actual}"


def _teller(layer: Layer, report: Report) -> Callable[[int], None]:
    status = f"verifying {short(layer.digest)}"
    return lambda done: report(Progress(status, layer.digest, layer.size, done))
