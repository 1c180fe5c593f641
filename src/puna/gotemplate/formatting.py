"""``printf``: reads a format and formats the operands it names."""

from collections.abc import Sequence
from typing import Any

from puna.gotemplate.errors import FunctionError
from puna.gotemplate.numbers import Flags
from puna.gotemplate.printing import MAX_WIDTH, format_value, print_values
from puna.gotemplate.values import NO_VALUE, kind, type_name

_FLAG_NAMES = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}
MAX_RESULT = 16 << 20


def print_format(template: str, operands: Sequence[Any]) -> str:
    """``fmt.Sprintf``. FunctionError where the result would be larger than ``MAX_RESULT`` characters."""
    return _Formatter(template, operands).run()


class _Formatter:
    def __init__(self, template: str, operands: Sequence[Any]) -> None:
        self._template = template
        self._operands = operands
        self._position = 0
        self._operand = 0
        self._reordered = False
        self._good_index = True
        self._after_index = False
        self._out: list[str] = []
        self._size = 0

    def run(self) -> str:
        template = self._template
        while self._position < len(template):
            percent = template.find("%", self._position)
            stop = len(template) if percent < 0 else percent
            self._write(template[self._position : stop])
            self._position = stop + 1
            if percent >= 0 and not self._directive():
                break
        if not self._reordered and self._operand < len(self._operands):
            self._extra()
        return "".join(self._out)

    def _write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_RESULT:
            raise FunctionError("the formatted text is too long")
        self._out.append(text)

    def _directive(self) -> bool:
        """Handles what follows a ``%``; False where the format ends too early."""
        flags = Flags()
        self._good_index, self._after_index = True, False
        self._read_flags(flags)
        self._index()
        self._width(flags)
        self._precision(flags)
        if not self._after_index:
            self._index()
        if self._position >= len(self._template):
            self._write("%!(NOVERB)")
            return False
        verb = self._template[self._position]
        self._position += 1
        self._verb(verb, flags)
        return True

    def _verb(self, verb: str, flags: Flags) -> None:
        if verb == "%":
            self._write("%")
        elif not self._good_index:
            self._write(f"%!{verb}(BADINDEX)")
        elif self._operand >= len(self._operands):
            self._write(f"%!{verb}(MISSING)")
        else:
            if verb in "vw":
                flags.sharp_v, flags.sharp = flags.sharp, False
                flags.plus_v, flags.plus = flags.plus, False
            self._write(format_value(self._operands[self._operand], verb, flags))
            self._operand += 1

    def _read_flags(self, flags: Flags) -> None:
        template = self._template
        while self._position < len(template) and template[self._position] in _FLAG_NAMES:
            setattr(flags, _FLAG_NAMES[template[self._position]], True)
            self._position += 1

    def _at(self, char: str) -> bool:
        return self._template.startswith(char, self._position)

    def _number(self) -> int | None:
        """The decimal number at the current place; an absurd one swallows the rest of the format."""
        start = self._position
        template = self._template
        while self._position < len(template) and template[self._position] in "0123456789":
            self._position += 1
        digits = template[start : self._position]
        if not digits:
            return None
        if len(digits) > 7 and int(digits[:8]) > MAX_WIDTH:
            self._position = len(template)
            return None
        return int(digits)

    def _index(self) -> None:
        """Reads ``[n]``, which chooses the operand."""
        self._after_index = False
        if not self._at("["):
            return
        self._reordered = True
        end = self._template.find("]", self._position)
        digits = self._template[self._position + 1 : end] if end > 0 else ""
        plain = bool(digits) and digits.isascii() and digits.isdigit()
        self._position = end + 1 if end > 0 else self._position + 1
        if plain and len(digits) < 8 and 0 < int(digits) <= len(self._operands):
            self._operand = int(digits) - 1
            self._after_index = True
            return
        self._good_index = False
        self._after_index = plain

    def _star(self) -> int | None:
        """The operand that a ``*`` takes, where it is an integer of a sane size."""
        self._position += 1
        if self._operand >= len(self._operands):
            return None
        value = self._operands[self._operand]
        self._operand += 1
        return value if kind(value) in ("int", "uint") and abs(value) <= MAX_WIDTH else None

    def _width(self, flags: Flags) -> None:
        if self._at("*"):
            flags.width = self._star()
            if flags.width is None:
                self._write("%!(BADWIDTH)")
            elif flags.width < 0:
                flags.width, flags.minus, flags.zero = -flags.width, True, False
            self._after_index = False
            return
        flags.width = self._number()
        if self._after_index and flags.width is not None:
            self._good_index = False

    def _precision(self, flags: Flags) -> None:
        if not self._at(".") or self._position + 1 >= len(self._template):
            return
        self._position += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if not self._at("*"):
            flags.precision = self._number() or 0
            return
        flags.precision = self._star()
        self._after_index = False
        if flags.precision is None or flags.precision < 0:
            flags.precision = None
            self._write("%!(BADPREC)")

    def _extra(self) -> None:
        shown = []
        for value in self._operands[self._operand :]:
            nothing = value is None or value is NO_VALUE
            shown.append("<nil>" if nothing else f"{type_name(value)}={print_values((value,))}")
        self._write("%!(EXTRA " + ", ".join(shown) + ")")
