"""One text of a JSON object that arrives in pieces, as soon as it can be read."""

import re

import orjson

_ESCAPE = re.compile(r'\\(?:u[0-9A-Fa-f]{4}|["\\/bfnrt])')
_HIGH, _LOW = re.compile(r"\\u[dD][89abAB]"), re.compile(r"\\u[dD][c-fC-F][0-9A-Fa-f]{2}")
_UNIT = len("\\u0000")


class JsonText:
    """Reads the value of the object's first member, if that has the name ``key`` and is a text.

    Of anything else nothing is read. An escape is read when it is complete, a pair of surrogates when both are there.
    """

    def __init__(self, key: str) -> None:
        self.text = ""
        """What has been read so far."""
        self._begin = re.compile(rf'\s*\{{\s*"{re.escape(key)}"\s*:\s*"')
        self._waiting = ""
        self._inside = self._over = False

    def feed(self, piece: str) -> str:
        """Take the next piece and return what can be read of the text with it."""
        if self._over:
            return ""
        self._waiting += piece
        if not self._inside:
            found = self._begin.match(self._waiting)
            if found is None:
                return ""
            self._inside, self._waiting = True, self._waiting[found.end() :]
        said = self._read()
        self.text += said
        return said

    def _read(self) -> str:
        text, parts, at = self._waiting, [], 0
        while at < len(text):
            letter = text[at]
            if letter == '"':
                self._over = True
                break
            if letter != "\\":
                end = min((place for mark in '"\\' if (place := text.find(mark, at)) >= 0), default=len(text))
                parts.append(text[at:end])
                at = end
                continue
            escape = _ESCAPE.match(text, at)
            if escape is None:
                self._over = len(text) - at >= _UNIT  # no escape at all: the whole is read at the end, leniently
                break
            end = escape.end()
            if _HIGH.match(text, at):
                if len(text) < end + _UNIT and "\\u".startswith(text[end : end + 2]):
                    break
                if _LOW.match(text, end):
                    end += _UNIT
            try:
                parts.append(orjson.loads(f'"{text[at:end]}"'))
            except orjson.JSONDecodeError:  # half of a pair
                parts.append("\ufffd")
            at = end
        self._waiting = text[at:]
        return "".join(parts)
