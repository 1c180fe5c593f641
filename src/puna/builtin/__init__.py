"""The model that ships with Puna, in a small read-only store of the same layout as the user's."""

from pathlib import Path

CRIA = "cria"
STORE = Path(__file__).parent / "models"
