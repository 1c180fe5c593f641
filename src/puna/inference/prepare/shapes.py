"""How calls look that a Go template writes."""

from dataclasses import replace

from puna.inference.format.calls import ARGUMENTS, GAP, JSON_ALONE, JSON_IN_TAGS, NAME, CallShape
from puna.inference.output.tools import closing_marker
from puna.inference.prompt.ollama_nodes import tool_call_text
from puna.inference.prompt.ollama_template import OllamaTemplate


def template_shape(template: OllamaTemplate, prefix: str, *, forced: bool) -> CallShape | None:
    """Return how calls look behind a template's prefix, ``None`` if that is not known.

    Where nothing but JSON announces a call an answer in JSON may be none: only ``forced`` ones are known to be calls.
    """
    text = "".join((tool_call_text(template.root) or "").split())
    rest = text.removeprefix("".join(prefix.split()))
    bare = prefix in ("{", "[")
    is_json = rest.removeprefix("[").startswith('{"name":')
    if not forced and (bare or not is_json):
        return None
    key = "parameters" if '"parameters":' in template.text and '"arguments":' not in template.text else "arguments"
    call = f'{{{GAP}"name":{GAP}"{NAME}"{GAP},{GAP}"{key}":{GAP}{ARGUMENTS}{GAP}}}'
    if bare:
        return replace(JSON_ALONE, call=call)
    if prefix == JSON_IN_TAGS.mark and key == "arguments" and not rest.startswith("["):
        return replace(JSON_IN_TAGS, around="")
    closing = closing_marker(prefix)
    closing = closing if closing and closing in template.text else ""
    if rest.startswith("["):
        return CallShape(
            call,
            begin=f"{prefix}{GAP}[{GAP}",
            between=f"{GAP},{GAP}",
            end=f"{GAP}]{GAP}{closing}",
            around="",
            quoted=True,
        )
    return CallShape(f"{prefix}{GAP}{call}{GAP}{closing}", around="", quoted=True)
