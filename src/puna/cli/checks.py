"""What ``puna doctor`` looks at, one function for each thing; each returns what it found."""

import os
import shutil
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import httpx
import psutil

from puna.accounts.accounts import has_keys
from puna.cli.client import Client, ServerError
from puna.cli.errors import CommandError
from puna.cli.open_files import raise_limit
from puna.cli.ports import program_on
from puna.cli.tables import human_size
from puna.config.address import Address
from puna.engine import processor
from puna.engine.engines import PORTABLE, Engines, UnknownEngineError
from puna.engine.gain import gain
from puna.engine.info import EngineInfoProcess
from puna.models.library import Library
from puna.names import DEFAULT_HOST
from puna.scheduler.cgroup import MemoryGroups
from puna.scheduler.tuning_store import usable_cores
from puna.settings import SETTINGS, Settings

OK, NOTE, BAD = "ok", "note", "bad"
_LITTLE_MEMORY, _LITTLE_DISK = 1 << 30, 5_000_000_000
_FEW_FILES = 1024
_SECONDS = 5.0
_ALIKE = 0.75
_OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")
_CARDS = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidia0"))
_PREFIXES = ("OLLAMA_", "PUNA_")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: where, how bad it is (``ok``, ``note``, ``bad``), in words, and what mends it."""

    area: str
    state: str
    text: str
    remedy: str = ""


def settings() -> list[Finding]:
    """Look for variables that nothing reads: a mistyped one is passed over in silence otherwise."""
    known = [entry.variable for entry in SETTINGS]
    given = [name for name in os.environ if name.startswith(_PREFIXES)]
    found = []
    for name in sorted(set(given) - set(known)):
        near = get_close_matches(name, known, 1, _ALIKE)
        meant = f"; did you mean {near[0]}?" if near else ""
        found.append(Finding("settings", NOTE, f"{name} is set, and Puna has no such setting{meant}", f"unset {name}"))
    set_here = sorted(set(given) & set(known))
    return found or [Finding("settings", OK, ", ".join(set_here) or "all as they are by default")]


def machine() -> list[Finding]:
    """Look at the processor, what else it does, and how many files a server may open."""
    cores = usable_cores()
    used = ", ".join(processor.instructions()) or "no special instructions"
    found = [Finding("machine", OK, f"{cores} cores ({used})")]
    if (files := raise_limit()) < _FEW_FILES:
        text = f"only {files} files may be open, so few clients can be connected"
        found.append(Finding("machine", NOTE, text, f"ulimit -n {_FEW_FILES * 8}, before puna serve"))
    load = psutil.getloadavg()[0]
    if load > cores:
        text = f"it is busy: {load:.0f} processes want its {cores} cores, and answers are slow meanwhile"
        found.append(Finding("machine", NOTE, text, "end what need not run (top lists it)"))
    return found


def memory() -> list[Finding]:
    """Look at how much memory there is for models, limits of containers included."""
    system = psutil.virtual_memory()
    limit = MemoryGroups().available()
    free = system.available if limit is None else min(system.available, limit)
    text = f"{human_size(free)} of {human_size(system.total)} free"
    if limit is not None and limit < system.available:
        text += " (a control group allows no more)"
    if free < _LITTLE_MEMORY:
        return [Finding("memory", NOTE, f"{text}: only small models fit", "end what takes it, or run a smaller model")]
    return [Finding("memory", OK, text)]


def store(settings: Settings) -> list[Finding]:
    """Look at the models' directory: whether it can be read and written, what is broken, and room for more."""
    path = settings.models
    if path.exists() and not path.is_dir():
        return [Finding("store", BAD, f"{path} is not a directory", "OLLAMA_MODELS=DIRECTORY puna serve")]
    if not path.exists():
        return [Finding("store", OK, f"{path} is not there yet; the first model makes it"), *_elsewhere(settings)]
    if not os.access(path, os.R_OK | os.X_OK):
        return [Finding("store", BAD, f"{path} cannot be read", f"sudo chown -R $USER {path}")]
    listing = Library(path).list()
    there = [model for model in listing.models if not model.is_builtin]
    found = [Finding("store", OK, f"{len(there)} model{'s' * (len(there) != 1)} in {path}")]
    for name, reason in listing.broken:
        found.append(Finding("store", BAD, f"{name} cannot be read: {reason}", f"puna rm {name}, or puna pull {name}"))
    if not os.access(path, os.W_OK):
        text = "it may only be read: nothing can be pulled or made"
        found.append(Finding("store", NOTE, text, f"sudo chown -R $USER {path}"))
    free = shutil.disk_usage(path).free
    if free < _LITTLE_DISK:
        text = f"only {human_size(free)} are free on its disk"
        found.append(Finding("store", NOTE, text, "puna rm MODEL, or puna verify --prune"))
    return found + (_elsewhere(settings) if not there else [])


def _elsewhere(settings: Settings) -> list[Finding]:
    """Return that Ollama's service has models, where the store in use has none."""
    if settings.models == _OLLAMA_SERVICE or not (_OLLAMA_SERVICE / "manifests").is_dir():
        return []
    text = f"Ollama's service keeps models in {_OLLAMA_SERVICE}"
    return [Finding("store", NOTE, text, f"OLLAMA_MODELS={_OLLAMA_SERVICE} puna serve")]


def server(settings: Settings) -> list[Finding]:
    """Look at who answers where clients ask."""
    address = settings.address
    found = []
    if not (address.is_loopback or settings.basic_auth or settings.allow_open or has_keys(settings.home)):
        text = f"{address.host} can be reached by others, and there are no credentials: puna serve refuses that"
        found.append(
            Finding("server", BAD, text, "puna key create NAME, or OLLAMA_BASIC_AUTH=user:password puna serve")
        )
    with Client(settings, timeout=_SECONDS) as client:
        try:
            client.get("/api/version")
        except ServerError as error:
            return [*found, Finding("server", BAD, f"the server at {client.url} refuses: {error}", _credentials(error))]
        except CommandError as error:
            return [*found, _silent(address, str(error))]
        try:
            queue = client.get("/api/queue")
        except CommandError:
            text = f"what answers at {client.url} is not Puna but {_whose(address) or 'another server, Ollama perhaps'}"
            remedy = "end that one (sudo systemctl stop ollama), or OLLAMA_HOST=127.0.0.1:11435 puna serve"
            return [*found, Finding("server", BAD, text, remedy)]
    text = f"Puna answers at {client.url}; {queue['running']} requests run, {queue['waiting']} wait"
    return [*found, Finding("server", OK, text)]


def _silent(address: Address, reason: str) -> Finding:
    program = _whose(address)
    if program:
        text = f"port {address.port} is in use by {program}, which does not answer as a server does"
        return Finding("server", BAD, text, f"end it, or OLLAMA_HOST=127.0.0.1:{address.port + 1} puna serve")
    if _is_here(address):
        return Finding("server", NOTE, f"no server runs at {address.url}; puna run starts one for itself", "puna serve")
    return Finding("server", BAD, reason, "is the server running there? puna serve; is OLLAMA_HOST right?")


def _whose(address: Address) -> str:
    return program_on(address.port) if _is_here(address) else ""


def _is_here(address: Address) -> bool:
    return address.is_loopback or address.host in ("0.0.0.0", "::")


def _credentials(error: ServerError) -> str:
    if error.status == httpx.codes.UNAUTHORIZED:
        return (
            "OLLAMA_API_KEY=KEY, a key that puna key create has made on its machine, or "
            "OLLAMA_BASIC_AUTH=user:password, as the server was started with"
        )
    return "see what it logs"


def engine(settings: Settings) -> list[Finding]:
    """Look at the engine that runs models, and at what it leaves unused of the machine."""
    engines = Engines(settings.home, settings.engine)
    name = engines.chosen()
    found = []
    try:
        program = engines.resolve(name)
    except UnknownEngineError:
        text = f"the engine {name} is chosen and not there; models run on the portable one"
        remedy = "unset PUNA_ENGINE" if settings.engine else f"puna engine use {PORTABLE}, or puna engine build"
        found.append(Finding("engine", BAD, text, remedy))
        name, program = PORTABLE, ""
    info = EngineInfoProcess(name if program else PORTABLE, program).result()
    if info.version == "unknown":
        text, remedy = f"the engine {info.name} does not start", f"puna engine use {PORTABLE}"
        return [*found, Finding("engine", BAD, text, remedy if program else "pip install --force-reinstall xllamacpp")]
    found.append(Finding("engine", OK, str(info)))
    unused = [entry for entry in processor.instructions() if entry not in info.instructions]
    if unused:
        likely = gain(info.instructions)
        known = f"reads prompts {likely.factor:.1f} times as fast (measured with {likely.measured_with})"
        faster = known if likely else "is faster"
        text = f"it leaves {', '.join(unused)} of this processor unused; an engine built here {faster}"
        found.append(Finding("engine", NOTE, text, "puna engine build"))
    if any(path.exists() for path in _CARDS) and not info.cards:
        text = "there is an NVIDIA card that it does not use"
        found.append(Finding("cards", NOTE, text, "puna engine build, with CUDA's compiler installed"))
    return found


def registry(settings: Settings) -> list[Finding]:
    """Look whether the registry that models come from, or its mirror, answers."""
    url = settings.mirrors.get(DEFAULT_HOST, f"https://{DEFAULT_HOST}")
    if settings.allowed_registries and DEFAULT_HOST not in settings.allowed_registries:
        return [Finding("registry", OK, f"{DEFAULT_HOST} is not among PUNA_ALLOWED_REGISTRIES")]
    try:
        httpx.get(f"{url}/v2/", timeout=_SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        text = f"{url} does not answer ({str(error) or type(error).__name__}): models here run, and none can be pulled"
        return [Finding("registry", NOTE, text, "HTTPS_PROXY for a proxy, PUNA_MIRRORS for a mirror")]
    return [Finding("registry", OK, f"{url} answers")]
