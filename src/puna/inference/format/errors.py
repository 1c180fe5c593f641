"""Why a format is refused, always before the engine sees it."""

from puna.errors import BadRequestError


class FormatError(BadRequestError):
    """A format that means nothing, that cannot be enforced, or that would take too much."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"format: {reason}")


class UnsupportedKeywordError(FormatError):
    """A keyword of a schema that cannot be enforced. ``detail`` says what about it, where that is not all of it."""

    def __init__(self, keyword: str, detail: str = "") -> None:
        super().__init__(f"unsupported JSON Schema keyword: {keyword}" + (f" ({detail})" if detail else ""))


class FormatTooLargeError(FormatError):
    """A format whose grammar would be too large to make or to follow."""

    def __init__(self, what: str = "it") -> None:
        super().__init__(f"{what} is too large to be enforced")


class Budget:
    """What the making of one grammar may still cost, in steps of about a microsecond to ten."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        """How much is left."""

    def spend(self, steps: int = 1) -> None:
        """Take ``steps`` away; raise ``FormatTooLargeError`` when none is left."""
        self.left -= steps
        if self.left < 0:
            raise FormatTooLargeError("the schema")
