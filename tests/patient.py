"""How hypothesis tries what it makes up: on a busy machine it takes longer, and that is no failure."""

from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
