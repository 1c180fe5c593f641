"""``puna config``."""

import json
from collections.abc import Iterator

from puna.cli.tables import AsJson, print_json, print_table
from puna.config.sections import Sections, words
from puna.config.sources import DEFAULT, Given
from puna.settings import SETTINGS, SettingInfo, Settings, given_settings

_HIDDEN = "(set, and not shown)"


def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where that comes from."""
    given = given_settings()
    sections = Settings.from_env().sections  # what cannot be used is an error, not a value
    rows = [(entry, given[entry.variable]) for entry in SETTINGS]
    if as_json:
        models: dict[str, dict[str, object]] = {}
        for name, key, value, origin in _of_models(sections):
            models.setdefault(name, {})[key] = {"value": value, "from": origin}
        print_json({"settings": [_described(entry, value) for entry, value in rows], "models": models})
        return
    table = [(entry.variable, _shown(entry, value), value.origin, entry.key) for entry, value in rows]
    for name, key, value, origin in _of_models(sections):
        table.append(("", json.dumps(value, ensure_ascii=False), origin, f'model."{name}".{key}'))
    print_table(("SETTING", "VALUE", "FROM", "IN A FILE"), table)


def _of_models(sections: Sections) -> Iterator[tuple[str, str, object, str]]:
    """Yield what files say about models: name, key, value, origin."""
    for name, section in sections:
        for key, value in words(section).items():
            if origin := sections.origins.get((name.key, key)):
                yield str(name), key, value, origin


def _shown(entry: SettingInfo, given: Given) -> str:
    return _HIDDEN if entry.is_secret and given.origin != DEFAULT else given.text


def _described(entry: SettingInfo, given: Given) -> dict[str, object]:
    return {
        "setting": entry.variable,
        "key": entry.key,
        "value": None if entry.is_secret and given.origin != DEFAULT else given.text,
        "from": given.origin,
        "default": entry.default,
        "secret": entry.is_secret,
    }
