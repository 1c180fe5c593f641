"""``puna config``."""

from puna.cli.tables import AsJson, print_json, print_table
from puna.config.sources import DEFAULT, Given
from puna.settings import SETTINGS, SettingInfo, Settings, given_settings

_HIDDEN = "(set, and not shown)"


def config(as_json: AsJson = False) -> None:
    """Show every setting, its value and where that comes from."""
    given = given_settings()
    Settings.from_env()  # what cannot be used is an error, not a value
    rows = [(entry, given[entry.variable]) for entry in SETTINGS]
    if as_json:
        print_json({"settings": [_described(entry, value) for entry, value in rows]})
        return
    print_table(
        ("SETTING", "VALUE", "FROM", "IN A FILE"),
        [(entry.variable, _shown(entry, value), value.origin, entry.key) for entry, value in rows],
    )


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
