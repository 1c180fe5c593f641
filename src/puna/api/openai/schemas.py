"""The bodies of OpenAI's requests (the ``…CreateParams`` of the official package), and what clients add to them."""

from typing import Annotated, Any

from pydantic import Field

from puna.api.extras import Extras
from puna.api.http.body import Body

_Token = Annotated[int, Field(ge=0, lt=2**31)]
"""The engine counts tokens in 32 bits, and would take what is larger for another token."""
Tokens = list[_Token]


class ChatMessage(Body):
    """One message of a conversation; the thoughts of one that a model said are under either name."""

    role: str
    content: str | list[dict[str, Any]] = ""
    name: str = ""
    refusal: str = ""
    reasoning: str = ""
    reasoning_content: str = ""
    tool_calls: list[dict[str, Any]] = Field(default_factory=list)
    function_call: dict[str, Any] = Field(default_factory=dict)
    tool_call_id: str = ""
    audio: dict[str, Any] = Field(default_factory=dict)


class StreamOptions(Body):
    """How a stream is told."""

    include_usage: bool = False
    include_obfuscation: bool = False


class GenerationBody(Extras):
    """What chats and completions share. Those that are options of Puna's too are checked as such."""

    model: str = ""
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: int = 1
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    user: str = ""


class ChatBody(GenerationBody):
    """The body of ``/v1/chat/completions``."""

    messages: list[ChatMessage] = []
    max_completion_tokens: int | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[dict[str, Any]] = []
    function_call: str | dict[str, Any] | None = None
    reasoning_effort: str | None = None
    reasoning: dict[str, Any] | None = None
    modalities: list[str] = []
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str = ""
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str = ""
    safety_identifier: str = ""
    service_tier: str = ""
    store: bool = False
    metadata: dict[str, Any] | None = None
    verbosity: str = ""
    moderation: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None


class CompletionBody(GenerationBody):
    """The body of ``/v1/completions``."""

    prompt: str | list[str] | Tokens | list[Tokens] | None = None
    suffix: str = ""
    echo: bool = False
    best_of: int | None = None
    logprobs: int | None = None


class EmbeddingBody(Extras):
    """The body of ``/v1/embeddings``."""

    model: str = ""
    input: str | list[str] | Tokens | list[Tokens] | None = None
    encoding_format: str = "float"
    dimensions: int | None = None
    user: str = ""
