"""The bodies of Ollama's requests (``api/types.go``)."""

from typing import Annotated, Any

from pydantic import Field

from puna.api.http.body import Body

_Token = Annotated[int, Field(ge=0, lt=2**31)]
"""The engine counts tokens in 32 bits, and would take what is larger for another token."""


class MessageBody(Body):
    """One message of a conversation."""

    role: str
    content: str = ""
    thinking: str = ""
    # Without a factory pydantic makes deep copies of the default, message by message.
    images: list[str] = Field(default_factory=list)
    audio: list[str] = Field(default_factory=list)
    tool_calls: list[dict[str, Any]] = Field(default_factory=list)
    tool_name: str = ""
    tool_call_id: str = ""


class GenerationBody(Body):
    """What ``/api/generate`` and ``/api/chat`` share.

    ``temperature`` to ``stop`` are accepted at the top level for programs that put them there; ``options`` wins.
    """

    model: str = ""
    stream: bool = True
    format: str | dict[str, Any] = ""
    keep_alive: float | str | None = None
    options: dict[str, Any] = {}
    think: bool | str | None = None
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    priority: str = ""
    debug_render_only: bool = Field(False, alias="_debug_render_only")
    temperature: float | None = None
    max_tokens: int | None = None
    max_output_tokens: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None


class GenerateBody(GenerationBody):
    """The body of ``/api/generate``."""

    prompt: str = ""
    suffix: str = ""
    system: str = ""
    template: str = ""
    context: list[_Token] | None = None
    raw: bool = False
    images: list[str] = []
    audio: list[str] = []


class ChatBody(GenerationBody):
    """The body of ``/api/chat``. ``tool_choice`` and ``parallel_tool_calls`` are Puna's own, as OpenAI has them."""

    messages: list[MessageBody] = []
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None


class EmbedBody(Body):
    """The body of ``/api/embed``."""

    model: str = ""
    input: str | list[str] = []
    truncate: bool | None = None
    dimensions: int = 0
    keep_alive: float | str | None = None
    options: dict[str, Any] = {}
    priority: str = ""


class EmbeddingsBody(Body):
    """The body of ``/api/embeddings``, the older form."""

    model: str = ""
    prompt: str = ""
    keep_alive: float | str | None = None
    options: dict[str, Any] = {}
    priority: str = ""


class NamedBody(Body):
    """A body that names one model, in the field that Ollama calls ``model`` now or ``name`` before."""

    model: str = ""
    name: str = ""

    @property
    def reference(self) -> str:
        """Return the model's name, whichever field holds it."""
        return self.model or self.name


class ShowBody(NamedBody):
    """The body of ``/api/show``."""

    verbose: bool = False
    system: str = ""
    options: dict[str, Any] = {}


class CopyBody(Body):
    """The body of ``/api/copy``."""

    source: str = ""
    destination: str = ""


class CreateBody(NamedBody):
    """The body of ``/api/create``."""

    from_: str = Field("", alias="from")
    files: dict[str, str] = {}
    adapters: dict[str, str] = {}
    template: str | None = None
    system: str | None = None
    license: str | list[str] = []
    parameters: dict[str, Any] = {}
    messages: list[MessageBody] = []
    draft_files: dict[str, str] = {}
    quantize: str = ""
    quantization: str = ""
    keep: bool = False
    requires: str = ""
    renderer: str = ""
    parser: str = ""
    stream: bool = True


class PullBody(NamedBody):
    """The body of ``/api/pull``. ``dry_run`` asks what a pull would fetch, with ``all`` for every model here."""

    insecure: bool = False
    stream: bool = True
    dry_run: bool = False
    all: bool = False


class PushBody(NamedBody):
    """The body of ``/api/push``."""

    insecure: bool = False
    stream: bool = True


class VerifyBody(NamedBody):
    """The body of ``/api/puna/verify``: without a model, the whole store. ``prune`` removes what no model uses."""

    prune: bool = False
    stream: bool = True


class RepairBody(NamedBody):
    """The body of ``/api/puna/repair``: without a model, the whole store."""

    insecure: bool = False
    stream: bool = True
