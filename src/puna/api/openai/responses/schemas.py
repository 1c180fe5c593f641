"""The bodies of the Responses API (``openai.types.responses``), and what clients add to them."""

from typing import Any

from puna.api.extras import Extras
from puna.api.http.body import Body

Items = list[dict[str, Any]]


class PromptBody(Extras):
    """What decides the prompt; ``/responses/input_tokens`` takes no more."""

    model: str = ""
    input: str | Items = []
    instructions: str = ""
    previous_response_id: str = ""
    conversation: str | dict[str, Any] = ""
    tools: Items = []
    tool_choice: str | dict[str, Any] = "auto"
    parallel_tool_calls: bool = True
    reasoning: dict[str, Any] = {}
    text: dict[str, Any] = {}
    truncation: str = "disabled"
    personality: str = ""
    prompt_cache_key: str = ""


class ResponsesBody(PromptBody):
    """The body of ``/responses`` (``ResponseCreateParams``)."""

    stream: bool = False
    stream_options: dict[str, Any] = {}
    include: list[str] = []
    metadata: dict[str, str] = {}
    store: bool = True
    background: bool = False
    background_options: dict[str, Any] = {}
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    top_logprobs: int = 0
    service_tier: str = "auto"
    user: str = ""
    safety_identifier: str = ""
    prompt: dict[str, Any] = {}
    moderation: dict[str, Any] = {}
    prompt_cache_retention: str = ""
    prompt_cache_options: dict[str, Any] = {}
    context_management: Items = []
    access_programs: dict[str, Any] = {}
    image: dict[str, Any] = {}
    client_metadata: dict[str, Any] = {}


class SocketBody(ResponsesBody):
    """What a client sends over a WebSocket; without ``generate`` a response is prepared, and says nothing."""

    type: str = ""
    generate: bool = True
    stream_id: str = ""


class CompactBody(PromptBody):
    """The body of ``/responses/compact``."""

    service_tier: str = "auto"
    prompt_cache_retention: str = ""
    prompt_cache_options: dict[str, Any] = {}
    image: dict[str, Any] = {}
    max_output_tokens: int | None = None
    client_metadata: dict[str, Any] = {}


class ConversationBody(Body):
    """The body that makes a conversation, or changes its metadata."""

    items: Items = []
    metadata: dict[str, str] = {}


class ConversationItemsBody(Body):
    """The body that adds items to a conversation."""

    items: Items
