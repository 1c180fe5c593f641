"""Plain text while it streams, its lines broken between words where that is wanted."""

import typer
from rich.cells import cell_len

_NARROWEST, _MARGIN = 10, 1
_WIDE = 2


class PlainWriter:
    """Writes text as it comes, and breaks lines between words where ``width`` is not 0."""

    def __init__(self, width: int) -> None:
        self._width = width if width >= _NARROWEST else 0
        self._column = 0
        self._word = ""
        self.at_line_start = True

    def write(self, text: str) -> None:
        """Write text; the word that it ends with waits for its end."""
        self._put("".join(map(self._wrapped, text)) if self._width else text)

    def flush(self) -> None:
        """Write the word that waits."""
        self._put(self._placed())

    def drop(self) -> None:
        """Forget the word that waits: nobody wants the rest of an answer that they have stopped."""
        self._word = ""

    def raw(self, text: str) -> None:
        """Write what is no text: colours."""
        self.flush()
        typer.echo(text, nl=False)

    def finish(self) -> None:
        """End the last line."""
        self.flush()
        typer.echo("")

    def _put(self, text: str) -> None:
        if text:
            typer.echo(text, nl=False)
            self.at_line_start = text.endswith("\n")

    def _wrapped(self, character: str) -> str:
        if character == "\n":
            placed, self._column = self._placed(), 0
            return placed + character
        if character.isspace():
            placed = self._placed()
            self._column += 1
            return placed + character
        if cell_len(character) == _WIDE:  # a line of Chinese may end after any character
            placed = self._placed()
            self._word = character
            return placed + self._placed()
        self._word += character
        return self._placed() if cell_len(self._word) > self._width - _NARROWEST else ""

    def _placed(self) -> str:
        """Return the word that waits, on a new line if this one has no room for it."""
        word, self._word = self._word, ""
        length = cell_len(word)
        if word and self._column and self._column + length > self._width - _MARGIN:
            self._column = length
            return f"\n{word}"
        self._column += length
        return word
