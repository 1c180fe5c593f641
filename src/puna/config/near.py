"""Names that are not quite right: of variables, and of keys in files."""

import re
from collections.abc import Iterable, Iterator, Mapping

_PREFIX = re.compile(r"(?:OLLAMA|PUNA)_", re.IGNORECASE)
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_")
"""What it sets in a container for a service that is called ``ollama`` or ``puna``."""
_LIKENESS = 0.6
_MOST = 20
_OLLAMA_ONLY = frozenset(
    f"OLLAMA_{name}"
    for name in (
        "AUTH",
        "DEBUG_LOG_REQUESTS",
        "EDITOR",
        "GPU_OVERHEAD",
        "IGPU_ENABLE",
        "LLM_LIBRARY",
        "MAX_TRANSFER_STREAMS",
        "NOPRUNE",
        "NO_CLOUD",
        "REMOTES",
        "SCHED_SPREAD",
        "VULKAN",
    )
)
"""Settings of Ollama that have no meaning here (``envconfig/config.go``)."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name most like ``name``, "" if none is; a prefix counts for nothing."""
    from difflib import get_close_matches  # wrong names are rare

    bare = {_bare(other): other for other in known}
    return next((bare[match] for match in get_close_matches(_bare(name), bare, 1, _LIKENESS)), "")


def _bare(name: str) -> str:
    return _PREFIX.sub("", name, count=1).lower()


def hint(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` for a name that nobody knows, "" if nothing is like it."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def unknown_variables(env: Mapping[str, str], known: Iterable[str]) -> Iterator[str]:
    """Yield what to say of variables that look like settings and are none. Their values are not told."""
    settings = frozenset(known)
    names = sorted(name for name in env if _PREFIX.match(name) and name not in settings)
    names = [name for name in names if not _OF_KUBERNETES.search(name)]
    for name in names[:_MOST]:
        if name in _OLLAMA_ONLY:
            yield f"{name} is a setting of Ollama that Puna does not have"
        else:
            yield f"{name!r} is no setting{hint(name, settings)}"
    if names[_MOST:]:
        yield f"{len(names) - _MOST} more variables are no settings"
