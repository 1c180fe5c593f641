"""What Codex asks of models beside their names: how long a conversation may be, and what a model can do.

It asks for ``/v1/models?client_version=…`` and reads ``models``, each as its ``ModelInfo`` has it
(``codex-rs/protocol/src/openai_models.rs``). What a model is told at the beginning is among it, and is not optional.
"""

from typing import Any

from puna.api.model_shapes import Entry

QUERY = "client_version"
_INSTRUCTIONS = (
    "You are Codex, an agent that works on the user's code in their terminal. Look at the files that matter before you "
    "change anything, make small changes that do what was asked and no more, check them by running what the project "
    "has for that, and say at the end what you did. Use the tools for all of this; ask only if you cannot go on."
)
_EFFORTS = {"low": "Thinks little", "medium": "Thinks as much as most questions need", "high": "Thinks long"}
_OUTPUT_BYTES = 10_000
"""What Codex keeps of the output of a tool where it knows nothing of a model."""


def codex_model(entry: Entry, place: int) -> dict[str, Any]:
    """Return what Codex reads of a model, the ``place``-th in the list."""
    facts = entry.facts
    thinks = "thinking" in facts.capabilities
    body: dict[str, Any] = {
        "slug": entry.id,
        "display_name": entry.id,
        "description": None,
        "supported_reasoning_levels": [
            {"effort": effort, "description": told} for effort, told in (_EFFORTS if thinks else {}).items()
        ],
        "shell_type": "default",
        "visibility": "list" if "tools" in facts.capabilities else "hide",
        "supported_in_api": True,
        "priority": place,
        "upgrade": None,
        "base_instructions": _INSTRUCTIONS,
        "supports_reasoning_summaries": thinks,
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": None,
        "truncation_policy": {"mode": "bytes", "limit": _OUTPUT_BYTES},
        "supports_parallel_tool_calls": True,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if "vision" in facts.capabilities else ["text"],
    }
    if thinks:
        body["default_reasoning_level"] = "medium"
    if entry.context:
        body["context_window"] = entry.context
    return body
