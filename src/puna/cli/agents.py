"""Agents that can be set up for a model here: what each is told, by environment, arguments or a file of its own.

Names of variables and keys are those of the agents; which ones are needed follows Ollama's ``cmd/launch``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from puna.cli.errors import CommandError

_PROVIDER = "puna"
NO_KEY = "puna"
"""What agents present that want a key, to a server that asks for none."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an agent is pointed at: the server, a key for it, and a model with its context in tokens (0: unknown)."""

    url: str
    key: str
    model: str
    context: int
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """How an agent is started: what is added to its environment and put before its arguments."""

    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent: where its program is, how it is installed, the context that its first prompt needs, and its setup.

    ``configure`` returns the new text of its file ``file`` (below the home directory) for the old one.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    install: str
    tokens: int
    start: Callable[[Target], Start]
    file: str
    configure: Callable[[Target, str], str]
    use: str = ""
    """How the agent is started with what the file says, where that is not its bare name."""
    once: tuple[str, ...] = ()
    """What comes first of its arguments where it is to answer one question and end."""


def _claude_environment(target: Target) -> dict[str, str]:
    models = ("ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL")
    # The window alone is no less than 100,000 tokens; without one it compacts after an error only.
    names = ("CLAUDE_CODE_MAX_CONTEXT_TOKENS", "CLAUDE_CODE_AUTO_COMPACT_WINDOW")
    context = dict.fromkeys(names, str(target.context)) if target.context else {}
    return {
        "ANTHROPIC_BASE_URL": target.url,
        "ANTHROPIC_API_KEY": "",
        "ANTHROPIC_AUTH_TOKEN": target.key,
        **dict.fromkeys((*models, "CLAUDE_CODE_SUBAGENT_MODEL"), target.model),
        # Both would change the beginning of every prompt, and so have it read again.
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        "CLAUDE_CODE_TOTAL_TOKENS_REMINDER": "off",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_FEEDBACK_COMMAND": "1",
        "CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY": "1",
        **context,
    }


def _claude(target: Target) -> Start:
    return Start(_claude_environment(target), ("--model", target.model))


def _claude_file(target: Target, text: str) -> str:
    settings = _object(text)
    settings["env"] = {**settings.get("env", {}), **_claude_environment(target)}
    settings["model"] = target.model
    return _written(settings)


def _codex_values(target: Target) -> dict[str, Any]:
    provider = f"model_providers.{_PROVIDER}"
    values: dict[str, Any] = {
        "model_provider": _PROVIDER,
        f"{provider}.name": "Puna",
        f"{provider}.base_url": f"{target.url}/v1",
        f"{provider}.wire_api": "responses",
        f"{provider}.env_key": "PUNA_KEY",
    }
    return values | ({"model_context_window": target.context} if target.context else {})


def _codex(target: Target) -> Start:
    values = [("-c", f"{name}={json.dumps(value)}") for name, value in _codex_values(target).items()]
    return Start({"PUNA_KEY": target.key}, (*(word for pair in values for word in pair), "-m", target.model))


def _codex_file(target: Target, _text: str) -> str:
    values = {"model": target.model, **_codex_values(target)}
    # Whoever starts it by hand has no variable of ours.
    if target.key == NO_KEY:
        del values[f"model_providers.{_PROVIDER}.env_key"]
    else:
        values[f"model_providers.{_PROVIDER}.env_key"] = "OLLAMA_API_KEY"
    top = [f"{name} = {json.dumps(value)}" for name, value in values.items() if "." not in name]
    table = [f"{name.rpartition('.')[2]} = {json.dumps(value)}" for name, value in values.items() if "." in name]
    return "\n".join([*top, "", f"[model_providers.{_PROVIDER}]", *table, ""])


def _opencode_settings(target: Target) -> dict[str, Any]:
    model: dict[str, Any] = {"name": target.model}
    if "vision" in target.capabilities:
        model["modalities"] = {"input": ["text", "image"], "output": ["text"]}
    if "thinking" in target.capabilities:
        model["reasoning"] = True
    if target.context:
        model["limit"] = {"context": target.context, "output": max(1, target.context // 4)}
    options = {"baseURL": f"{target.url}/v1", "apiKey": target.key}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Puna", "options": options, "models": {target.model: model}}
    return {
        "$schema": "https://opencode.ai/config.json",
        "provider": {_PROVIDER: provider},
        "model": f"{_PROVIDER}/{target.model}",
    }


def _opencode(target: Target) -> Start:
    return Start({"OPENCODE_CONFIG_CONTENT": json.dumps(_opencode_settings(target))})


def _opencode_file(target: Target, text: str) -> str:
    settings, own = _object(text), _opencode_settings(target)
    own["provider"] = {**settings.get("provider", {}), **own["provider"]}
    return _written({**settings, **own})


def _qwen_environment(target: Target) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{target.url}/v1", "OPENAI_API_KEY": target.key, "OPENAI_MODEL": target.model}


def _qwen(target: Target) -> Start:
    return Start(_qwen_environment(target), ("--auth-type", "openai", "-m", target.model))


def _qwen_file(target: Target, text: str) -> str:
    settings = _object(text)
    settings["env"] = {**settings.get("env", {}), **_qwen_environment(target)}
    return _written(settings)


AGENTS = {
    agent.name: agent
    for agent in (
        Agent(
            "claude",
            "Claude Code",
            ("claude", "~/.local/bin/claude", "~/.claude/local/claude"),
            "npm install -g @anthropic-ai/claude-code",
            32_000,
            _claude,
            ".claude/settings.json",
            _claude_file,
            once=("-p",),
        ),
        Agent(
            "codex",
            "Codex",
            ("codex",),
            "npm install -g @openai/codex",
            16_000,
            _codex,
            ".codex/puna.config.toml",
            _codex_file,
            "codex --profile puna",
            once=("exec",),
        ),
        Agent(
            "opencode",
            "opencode",
            ("opencode", "~/.opencode/bin/opencode"),
            "npm install -g opencode-ai",
            16_000,
            _opencode,
            ".config/opencode/opencode.json",
            _opencode_file,
            once=("run",),
        ),
        Agent(
            "qwen",
            "Qwen Code",
            ("qwen",),
            "npm install -g @qwen-code/qwen-code",
            16_000,
            _qwen,
            ".qwen/settings.json",
            _qwen_file,
        ),
    )
}


def home_file(agent: Agent) -> Path:
    """Return the file that an agent is configured by."""
    return Path.home() / agent.file


def _object(text: str) -> dict[str, Any]:
    """Return the settings that a file holds; raise ``CommandError`` for what could not be written again as it was."""
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(value.get(name, {}), dict) for name in ("env", "provider")):
        raise CommandError("its configuration is not plain JSON, so it is left alone (puna launch without --config)")
    return value


def _written(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
