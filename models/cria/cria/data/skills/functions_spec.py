"""How known functions are written down.

One line per argument: `name|other name:kind` (kinds of `functions.KINDS`), `?` after the kind when it may be left out,
`=` and `value/english words/chinese words` joined by `;` for a choice.
"""

from __future__ import annotations

from typing import Any

from cria.data.skills.functions import Fn, Param


def param(text: str) -> Param:
    spec, _, choice = text.partition("=")
    names, kind = spec.split(":")
    optional = kind.endswith("?")
    choices: tuple[tuple[str, str, Any], ...] = ()
    if choice:
        triples = [entry.split("/") for entry in choice.split(";")]
        boolean = {"true": True, "false": False}
        choices = tuple((en.replace("_", " "), zh, boolean.get(value, value)) for value, en, zh in triples)
    return Param(tuple(names.split("|")), kind.rstrip("?"), optional, choices)


def known(names: str, group: str, en: str, zh: str, params: str, ask_en: str, ask_zh: str) -> Fn:
    return Fn(
        tuple(names.split("|")),
        group,
        en,
        zh,
        tuple(param(text) for text in params.split()),
        tuple(ask_en.split("|")),
        tuple(ask_zh.split("|")),
    )
