"""What a layout is: how a file that has it is recognised, and the steps that make it llama.cpp's."""

from collections.abc import Callable
from dataclasses import dataclass

from puna.models.gguf import GGUFFile
from puna.models.layouts.edit import Edit

Mark = Callable[[GGUFFile], bool]
Step = Callable[[Edit], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One layout of an architecture.

    ``text`` are the steps for the language model. ``projector`` are those for what turns pictures and sound into
    vectors, where it lies in the same file: they begin with ``senses``, the prefixes of its tensors, and nothing else.
    """

    name: str
    architectures: tuple[str, ...]
    marked: Mark = lambda _: True
    """Tells the layout from that of files of the same architecture which llama.cpp reads as they are."""
    text: tuple[Step, ...] = ()
    projector: tuple[Step, ...] = ()
    senses: tuple[str, ...] = ("v.", "mm.")

    def fits(self, gguf: GGUFFile) -> bool:
        """Return whether a file has this layout."""
        return gguf.architecture in self.architectures and self.marked(gguf)

    def has_projector(self, gguf: GGUFFile) -> bool:
        """Return whether a projector lies in the file."""
        return bool(self.projector) and has_tensors("v.", "a.")(gguf)


def has_keys(*names: str) -> Mark:
    """Return a mark: one of the keys is there. Those that begin with "." are the architecture's own."""
    return lambda gguf: any(_key(gguf, name) in gguf.metadata for name in names)


def lacks_keys(*names: str) -> Mark:
    """Return a mark: none of the keys is there."""
    return lambda gguf: not has_keys(*names)(gguf)


def has_tensors(*prefixes: str) -> Mark:
    """Return a mark: there is a tensor whose name begins so."""
    return lambda gguf: any(tensor.name.startswith(prefixes) for tensor in gguf.tensors)


def either(*marks: Mark) -> Mark:
    """Return a mark: one of several."""
    return lambda gguf: any(mark(gguf) for mark in marks)


def _key(gguf: GGUFFile, name: str) -> str:
    return gguf.architecture + name if name.startswith(".") else name
