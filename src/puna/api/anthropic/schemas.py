"""The bodies of Anthropic's requests (``message_create_params`` of its package), with Puna's own fields beside them."""

from typing import Any

from pydantic import Field

from puna.api.extras import Extras
from puna.api.http.body import Body

Block = dict[str, Any]
"""A block of content, of which each ``type`` has fields of its own (``blocks.py`` reads them)."""


class MessageBody(Body):
    """One message; ``clear_at`` says until when one of role "system" is shown."""

    role: str
    content: str | list[Block]
    clear_at: str = "never"


class ThinkingBody(Body):
    """Whether to think, how long, and whether the thoughts are told."""

    type: str
    budget_tokens: int | None = None
    display: str = "summarized"


class ToolChoiceBody(Body):
    """Which tools may be called."""

    type: str
    name: str = ""
    disable_parallel_tool_use: bool = False


class FormatBody(Body):
    """What an answer must look like."""

    type: str
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class OutputConfigBody(Body):
    """How much effort to make, and what the answer must look like."""

    effort: str | None = None
    format: FormatBody | None = None


class MetadataBody(Body):
    """Who asks, in the caller's words."""

    user_id: str = ""


class DiagnosticsBody(Body):
    """The answer to whose prompt this one is compared."""

    previous_message_id: str = ""


class CountBody(Extras):
    """The body of ``/v1/messages/count_tokens``, and what ``/v1/messages`` has of it."""

    model: str = ""
    messages: list[MessageBody] = []
    system: str | list[Block] = ""
    tools: list[dict[str, Any]] = []
    tool_choice: ToolChoiceBody | None = None
    thinking: ThinkingBody | None = None
    output_config: OutputConfigBody | None = None
    output_format: FormatBody | None = None
    cache_control: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    compaction: dict[str, Any] | None = None
    mcp_servers: list[Any] = []
    speed: str = ""
    betas: list[str] = []
    billing_policy: Any = None
    user_profile_id: str = ""
    workspace_id: str = ""


class MessagesBody(CountBody):
    """The body of ``/v1/messages``. With ``max_tokens`` 0 the prompt is read and nothing generated."""

    max_tokens: int = Field(ge=0)
    stream: bool = False
    stop_sequences: list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: MetadataBody | None = None
    diagnostics: DiagnosticsBody | None = None
    service_tier: str = ""
    container: str | dict[str, Any] | None = None
    inference_geo: str = ""
    fallbacks: Any = None
    fallback_credit_token: str = ""
    thread: Any = None
