"""How hard to think, in the words that the dialects have for it, as ``think``."""

from puna.errors import BadRequestError
from puna.inference.requests import Think

_EFFORTS: dict[str, Think] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
    "ultra": "max",
}


def think_of(effort: str | None, field: str, *, can_think: bool) -> Think:
    """Return ``think`` for an effort; ``None`` without one, and for a model that cannot think.

    ``field`` is what an error calls it.
    """
    if effort is None:
        return None
    if effort not in _EFFORTS:
        raise BadRequestError(f'{field} must be one of {", ".join(_EFFORTS)}, not "{effort[:40]}"')
    return _EFFORTS[effort] if can_think else None
