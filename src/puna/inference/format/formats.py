"""The named formats of JSON Schema that are enforced; by the standard any other name asserts nothing.

Each is a pattern that allows what its RFC does, or less: no years before 1, no leap seconds, no hosts of more than
63 letters. Sources: RFC 3339 (dates, times, durations), 5321, 1123, 2673, 4291, 3986, 6570, 6901 and 9562.
"""

_DATE = (
    r"(?:(?!0000)\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_NUMBER = r"\d{1,9}"
_CLOCK = rf"T(?:{_NUMBER}H(?:{_NUMBER}M(?:{_NUMBER}S)?)?|{_NUMBER}M(?:{_NUMBER}S)?|{_NUMBER}S)"
_DAYS = rf"(?:{_NUMBER}Y(?:{_NUMBER}M(?:{_NUMBER}D)?)?|{_NUMBER}M(?:{_NUMBER}D)?|{_NUMBER}D)"
_LABEL = "[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_HOST = rf"(?:{_LABEL}\.)*[A-Za-z]{{2,}}"
_LOCAL = r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_GROUP = "[0-9a-fA-F]{1,4}"
_IPV6 = "|".join(
    [
        rf"(?:{_GROUP}:){{7}}{_GROUP}",
        *(rf"(?:{_GROUP}:){{{before}}}(?::{_GROUP}){{1,{7 - before}}}" for before in range(1, 7)),
        rf":(?::{_GROUP}){{1,7}}",
        rf"(?:{_GROUP}:){{1,7}}:",
        "::",
    ]
)
_SAFE = "A-Za-z0-9._~!$&'()*+,;=:@"
_PIECE = rf"(?:[{_SAFE}/?-]|%[0-9A-Fa-f]{{2}})"
_FOREIGN = "\u00a1-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
_SHORT_LABEL = "[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20})?"
_HEAD = 150
"""No URI is longer before its path, where its labels are short."""
_PIECES = 640
_POINTER = "(?:/(?:[^~/]|~[01])*)*"
_ATOM = r"(?:[A-Za-z0-9 _@:,;/#=-]|\\[dDwWsS.+*?()|^$/\\[\]{}-]|\.|\[(?:a-z|A-Z|0-9|_|\\d|\\w|\\s)+\])[*+?]?"

_PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": rf"P(?:{_DAYS}(?:{_CLOCK})?|{_CLOCK}|{_NUMBER}W)",
    "uuid": "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "email": rf"{_LOCAL}@(?:{_LABEL}\.)+[A-Za-z]{{2,}}",
    "hostname": _HOST,
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "json-pointer": _POINTER,
    "relative-json-pointer": rf"(?:0|[1-9]\d{{0,3}})(?:#|{_POINTER})",
    "regex": rf"\^?(?:{_ATOM})*\$?",
    "uri-template": rf"(?:[{_SAFE}/?-]|\{{[A-Za-z_][A-Za-z0-9_]*\}})*",
}
_LONGEST = {
    "email": 63,
    "hostname": 63,
    "json-pointer": 255,
    "relative-json-pointer": 255,
    "regex": 63,
    "uri-template": 255,
}
"""Lengths by which the formats whose parts have bounds of their own, or none at all, keep to them."""
_SAME = {"idn-email": "email", "idn-hostname": "hostname"}
_ADDRESSES = {"uri": "", "iri": _FOREIGN, "uri-reference": "", "iri-reference": _FOREIGN}


def format_pattern(name: str, most: int | None) -> tuple[str, int | None]:
    """Return the pattern of a format, "" if it asserts nothing, and the length that it needs as a bound beside it.

    ``most`` is the greatest length that is allowed.
    """
    name = _SAME.get(name, name)
    if name in _ADDRESSES:
        return _address(name, most), None
    pattern = _PATTERNS.get(name, "")
    return f"^(?:{pattern})$" if pattern else "", _LONGEST.get(name)


def _address(name: str, most: int | None) -> str:
    piece = _PIECE.replace("[A", f"[{_ADDRESSES[name]}A", 1)
    pieces = _PIECES if most is None else min(_PIECES, (most - _HEAD) // 3)
    scheme, port = "[a-z][a-z0-9+.-]{1,7}", r"(?::[1-9]\d{0,3})?"
    if name.endswith("reference"):
        return f"^(?:/{piece}{{0,{max(pieces, 8)}}})?$"
    if pieces < 1:
        return rf"^{scheme}://{_LABEL}(?:\.{_LABEL})*{port}(?:/{piece}*)?$"
    return rf"^{scheme}://{_SHORT_LABEL}(?:\.{_SHORT_LABEL}){{0,2}}{port}(?:/{piece}{{0,{pieces}}})?$"
