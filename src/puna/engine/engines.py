"""The engines of this machine: the portable one, builds side by side, and which of them runs what.

A build is a directory under ``engines`` in Puna's home with the programs and ``about.json``. ``choice.json`` beside
them names the engine of all models and those of single ones. It is read whenever a model is loaded, so that a running
server follows a choice from its next load on.
"""

import contextlib
import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self

from puna.config.home import expanded
from puna.engine.vllm import program as vllm
from puna.errors import BadRequestError, NotFoundError
from puna.models.atomic import AtomicFile

PORTABLE = "portable"
DEFAULT = "default"
"""The engine of all models, where one is chosen for a single model."""
SERVER = "llama-server"
_ABOUT = "about.json"
_CHOICE = "choice.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_log = logging.getLogger(__name__)


class UnknownEngineError(NotFoundError):
    """There is no engine of this name."""

    def __init__(self, name: str, reason: str = "see puna engine") -> None:
        super().__init__(f"there is no engine '{name}' ({reason})")


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second: of a prompt that is read, and of an answer."""

    prompt: float
    generation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a build. ``speed`` and ``portable_speed`` were measured in one run, on the same model."""

    source: str
    version: str
    compiler: str = ""
    cuda: bool = False
    instructions: tuple[str, ...] = ()
    built_at: str = ""
    speed: Speed | None = None
    portable_speed: Speed | None = None
    repack: bool = True
    """Whether it was the faster with weights in an order of their own (``RunnerConfig.repack``), as for ``speed``."""
    attends: bool = False
    """Whether it has Puna's attention on the processor (``build/attention.cpp``)."""
    predicts: bool = False
    """Whether a request may say what it expects for an answer (``build/drafts.cpp``)."""

    def to_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what a file says; raise ``ValueError`` if it is not what ``to_json`` wrote."""
        try:
            values = dict(json.loads(text))
            speeds = {name: Speed(**values[name]) for name in ("speed", "portable_speed") if values[name]}
            return cls(**values | speeds | {"instructions": tuple(values["instructions"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"it is not the description of a build ({error})") from error


@dataclass(frozen=True, slots=True)
class Build:
    """A build that stands under ``path``."""

    name: str
    path: Path
    about: About

    @property
    def server(self) -> Path:
        """Return its llama-server."""
        return self.path / "bin" / SERVER


@dataclass(frozen=True, slots=True)
class Choice:
    """Which engine runs: a name, or the path of a llama-server; for all models, and for single ones by name."""

    default: str = PORTABLE
    models: Mapping[str, str] = field(default_factory=dict)


class Engines:
    """The engines under ``home``; ``override`` (``PUNA_ENGINE``) stands above every choice."""

    def __init__(self, home: Path, override: str = "") -> None:
        self.root = home / "engines"
        self.override = override

    def builds(self) -> list[Build]:
        """Return the builds, by name. One whose files are damaged is left out, with a warning in the log."""
        found = []
        for path in sorted(self.root.glob(f"*/{_ABOUT}")):
            if not _NAME.fullmatch(path.parent.name):
                continue
            try:
                about = About.from_json(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                _log.warning("the engine in %s cannot be used: %s", path.parent, error)
            else:
                found.append(Build(path.parent.name, path.parent, about))
        return found

    def find(self, name: str) -> Build:
        """Return the build of this name; raise ``UnknownEngineError``."""
        for build in self.builds():
            if build.name == name:
                return build
        raise UnknownEngineError(name)

    def choice(self) -> Choice:
        """Return what is chosen. A file that is not what Puna wrote is passed over, with a warning in the log."""
        try:
            values = json.loads((self.root / _CHOICE).read_text(encoding="utf-8"))
            default, models = values["default"], values["models"]
            if not (isinstance(default, str) and all(isinstance(name, str) for name in models.values())):
                raise ValueError("an engine is not a name")
            return Choice(default, models)
        except FileNotFoundError:
            return Choice()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("the choice of engines in %s cannot be read: %s", self.root / _CHOICE, error)
            return Choice()

    def chosen(self, model: str = "") -> str:
        """Return the name or path of the engine for a model (for all that have none of their own, without one)."""
        choice = self.choice()
        return self.override or choice.models.get(model.lower()) or choice.default

    def program(self, model: str = "") -> str:
        """Return the llama-server for a model, "" for the portable engine.

        An engine that is gone is no reason to fail: the portable one takes its place, and the log says so.
        """
        name = self.chosen(model)
        try:
            return self.resolve(name)
        except UnknownEngineError as error:
            _log.warning("%s; %s runs on the portable engine", error, model or "every model")
            return ""

    def resolve(self, name: str) -> str:
        """Return the llama-server that a name or path means, "" for the portable one; raise ``UnknownEngineError``."""
        if name == PORTABLE:
            return ""
        if name == vllm.NAME:
            if program := vllm.find_program():
                return program
            raise UnknownEngineError(name, "vLLM is not installed: pip install 'puna[vllm]'")
        path = expanded(Path(name)) if "/" in name else self.root / name / "bin" / SERVER
        if not path.is_file():
            raise UnknownEngineError(name)
        return str(path.absolute())

    def use(self, name: str, model: str = "") -> None:
        """Choose an engine for all models, or for one, which keeps it whatever is chosen for all until ``DEFAULT``."""
        choice = self.choice()
        if not model:
            self._choose(Choice(self._lasting(name), choice.models))
            return
        key = model.lower()
        others = {other: engine for other, engine in choice.models.items() if other != key}
        self._choose(Choice(choice.default, others if name == DEFAULT else {**others, key: self._lasting(name)}))

    def _lasting(self, name: str) -> str:
        """Return ``name``, as an absolute path if it is a path; raise ``UnknownEngineError``."""
        program = self.resolve(name)
        return program if "/" in name else name

    def remove(self, name: str) -> None:
        """Remove a build; models that ran on it go back to the portable engine. Raises ``UnknownEngineError``."""
        build = self.find(name)
        choice = self.choice()
        models = {model: other for model, other in choice.models.items() if other != name}
        default = PORTABLE if choice.default == name else choice.default
        if Choice(default, models) != choice:
            self._choose(Choice(default, models))
        # Out of sight at once: a removal that is interrupted must not leave half a build.
        grave = self.root / f".removed-{name}"
        shutil.rmtree(grave, ignore_errors=True)
        build.path.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)

    def _choose(self, choice: Choice) -> None:
        text = json.dumps(asdict(choice), indent=2)
        with AtomicFile(self.root) as file:
            file.file.write(text.encode())
            file.publish(self.root / _CHOICE)

    def install(self, made: Path, name: str, about: About, *, use: bool = False) -> Build:
        """Put the finished build in ``made``, a directory on the same file system, in its place under a name.

        ``use`` chooses it for all models as well. What fails leaves everything as it was.
        """
        (made / _ABOUT).write_text(about.to_json(), encoding="utf-8")
        place, old = self.root / name, self.root / f".replaced-{name}"
        shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            place.rename(old)
        try:
            made.rename(place)
            if use:
                self.use(name)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return Build(name, place, about)


def about_of(program: str) -> About:
    """Return what is known of an engine: what its build says, or what holds for one that Puna did not build.

    ``program`` is a llama-server, "" for the portable engine.
    """
    if program:
        path = Path(program).parent.parent / _ABOUT
        with contextlib.suppress(OSError, ValueError):
            return _about(path, path.stat().st_mtime_ns)
    return About(source="", version="")


@lru_cache(maxsize=16)
def _about(path: Path, _changed: int) -> About:
    # Asked for every request, and another one only when a build has taken the place of this one.
    return About.from_json(path.read_text(encoding="utf-8"))


def check_name(name: str) -> str:
    """Return ``name`` if a build may have it; raise ``BadRequestError``."""
    if name in (PORTABLE, DEFAULT, vllm.NAME) or not _NAME.fullmatch(name):
        raise BadRequestError(f"'{name}' cannot be the name of a build (letters, digits, '.', '_' and '-')")
    return name
