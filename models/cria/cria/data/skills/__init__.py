"""Generators of what the model is to be able to do, one module per skill."""

from __future__ import annotations

from cria.data.skills import drills, fim, json_fill, recall, system, thinking, tools
from cria.examples import Generator

# Each by name.
GENERATORS: dict[str, Generator] = {
    "tools": tools.generate,
    "json": json_fill.generate,
    "thinking": thinking.generate,
    "recall": recall.generate,
    "system": system.generate,
    "fim": fim.generate,
    "drills": drills.generate,
}
