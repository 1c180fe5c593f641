"""The bodies of requests to the engine, in llama-server's terms."""

import base64
from typing import Any

import orjson

from puna.inference.format.constraint import Constraint
from puna.inference.media.kinds import is_sound
from puna.inference.media.placing import in_order
from puna.inference.prompt.jinja_values import thinking_values, with_ids
from puna.inference.requests import Conversation, GenerationRequest, Message, Think, ToolChoice

_ENDLESS_CONTEXTS = 10
"""A generation without a limit of its own ends after this many contexts, as in Ollama: it may never stop by itself."""

_LEAST_THOUGHTS = 1
"""The engine passes over a budget of no tokens where the prompt has begun the thoughts."""

_LOOK_BACK = ("repeat_last_n", "dry_penalty_last_n")
"""Options for which -1 means the whole context; the engine wants the number, and makes room for as many tokens."""


def common_body(request: GenerationRequest, context: int, prompt_tokens: int = 0) -> dict[str, Any]:
    """Return what every kind of generation sends: sampling, limits and the format.

    ``context`` is the slot's size and ``prompt_tokens`` the prompt's, both in tokens. Stop strings are found here
    (``output/stop.py``): the engine loses the text that it holds back for one when its limit ends the answer, and its
    chat route does not say which it met. Each event then carries the counts, which the call is ended too early for; it
    does so for thoughts as well, whose tokens nobody else counts.
    """
    options = request.options
    limit = options.num_predict if options.num_predict > 0 else _ENDLESS_CONTEXTS * context
    if not request.shift:
        limit = min(limit, max(context - prompt_tokens, 1))
    bound: dict[str, Any] = {"grammar": request.format.grammar} if isinstance(request.format, Constraint) else {}
    if bound or options.sampling.get("grammar") or (isinstance(request.input, Conversation) and request.input.tools):
        bound |= under_grammar(request)
    look_back = {name: context for name in _LOOK_BACK if not 0 <= options.sampling.get(name, 0) <= context}
    return {
        **options.sampling,
        **look_back,
        **_adapters(request),
        "n_predict": limit,
        "n_keep": options.num_keep,
        "stream": True,
        "cache_prompt": True,
        "timings_per_token": bool(options.stop or request.thinks),
        "return_progress": request.with_reading,
    } | bound


def under_grammar(request: GenerationRequest) -> dict[str, Any]:
    """Return the options that differ while a grammar holds, where the engine aborts on an end at the wrong place.

    At the end of its grammar nothing but the end is allowed; the sampler ``infill`` ends an answer wherever it likes.
    """
    samplers = request.options.sampling.get("samplers", ())
    kept = {"samplers": [name for name in samplers if name != "infill"]} if "infill" in samplers else {}
    return {"ignore_eos": False} | kept


def _adapters(request: GenerationRequest) -> dict[str, Any]:
    """Return how strong each adapter is, if the request says so of any: the engine leaves those as they are that it is
    not told of."""
    if "lora" not in request.options.sampling:
        return {}
    scales = {entry["id"]: entry["scale"] for entry in request.options.sampling["lora"]}
    return {"lora": [{"id": at, "scale": scales.get(at, 0.0)} for at in range(len(request.model.adapters))]}


def logprobs_for_completion(request: GenerationRequest) -> dict[str, Any]:
    """Return the fields that ask ``/completion`` for log probabilities."""
    if not request.logprobs:
        return {}
    return {"n_probs": max(request.top_logprobs, 1), "post_sampling_probs": False}


def chat_body(request: GenerationRequest, conversation: Conversation, think: Think) -> dict[str, Any]:
    """Return the part of a chat request that its template sees."""
    template = request.model.gguf.chat_template or ""
    messages = [chat_message(message) for message in conversation.messages]
    body: dict[str, Any] = {"messages": with_ids(messages, template)}
    if conversation.tools:
        body |= {"tools": list(conversation.tools), "parallel_tool_calls": True}
    if values := thinking_values(template, think) | dict(request.template_values):
        body["chat_template_kwargs"] = values
    if messages and messages[-1]["role"] == "assistant":
        # The engine goes on with it in any case, but unless it is told to it says what was begun once more.
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.most_thoughts >= 0:
        body["thinking_budget_tokens"] = max(request.most_thoughts, _LEAST_THOUGHTS)
    if request.logprobs:
        # Without a single alternative the engine leaves out those of the chosen tokens as well.
        body |= {"logprobs": True, "top_logprobs": max(request.top_logprobs, 1)}
    return body


def chosen_body(conversation: Conversation) -> dict[str, Any]:
    """Return the part of a chat request that says which calls were chosen, as far as the engine obeys it.

    Functions that may not be called are not told of: it knows no way to show them only.
    """
    choice = conversation.tool_choice
    if not conversation.tools or choice == ToolChoice():
        return {}
    named = [tool for tool in conversation.tools if not choice.names or tool["function"]["name"] in choice.names]
    return {"tools": named, "tool_choice": choice.mode, "parallel_tool_calls": choice.parallel}


def chat_message(message: Message) -> dict[str, Any]:
    """Return a message in the form of OpenAI's chat API, which llama-server's templates are given."""
    content: str | list[dict[str, Any]] = message.content
    if message.images:
        content = [_part(part) for part in in_order(message.content, message.images, message.places)]
        if not message.content:
            content.append(_part(""))
    body: dict[str, Any] = {"role": message.role, "content": content}
    if message.thinking:
        body["reasoning_content"] = message.thinking
    if message.tool_calls:
        body["tool_calls"] = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.name, "arguments": call.raw or orjson.dumps(call.arguments).decode()},
            }
            for call in message.tool_calls
        ]
    if message.tool_name:
        body["name"] = message.tool_name
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    return body


def _part(part: str | bytes) -> dict[str, Any]:
    """Return a part of a message: text, a picture or sound."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part).decode()
    # The engine wants a kind of either to be named, and then looks at the bytes.
    if is_sound(part):
        return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
