"""Ways of answering that no manifest names: those that templates inside GGUF files are recognised to have."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from puna.inference.families import functionary, kimi_k3, lfm2, marked, minimax_m3, ministral, pair_tags, tags
from puna.inference.families.finding import USUAL_TAGS, Parsing
from puna.inference.families.parsing import Asked
from puna.inference.format.calls import JSON_ALONE, CallShape
from puna.inference.output.events import OutputParser
from puna.inference.output.tools import ToolCallParser


def _way(make: Callable[[Asked], OutputParser], calls: CallShape, *marks: str) -> Parsing:
    return Parsing(make, (*USUAL_TAGS, *marks), thinking=False, calls=calls)


def _marked(form: marked.Form, calls: CallShape, *marks: str) -> Parsing:
    return _way(marked.parser(form), calls, *(marks or (form.mark, *form.ends)))


def _tagged(make: Callable[[Asked], OutputParser], found: tags.Tags) -> Parsing:
    return _way(make, found.shape, *(f"<{end}{found.calls}>" for end in ("", "/") if found.calls))


def _thinking_in(
    thought: str, closing: str, make: Callable[[Asked], OutputParser], calls: CallShape, *marks: str, to_call: str = ""
) -> Parsing:
    """Return what thinks between marks of its own."""
    return Parsing(
        make, marks, thinking=False, thought=thought, closing=closing, to_call=to_call, in_tags=True, calls=calls
    )


def _paired(found: pair_tags.PairTags) -> Parsing:
    return _thinking_in(found.tag("think"), found.tag("/think"), found.parser, found.shape, *found.marks)


FORMATS: Mapping[str, Parsing] = {
    "apertus": _marked(marked.APERTUS, marked.APERTUS_CALLS),
    "apriel": _marked(marked.APRIEL, marked.APRIEL_CALLS),
    "command-r": _marked(marked.COMMAND_R, marked.COMMAND_R_CALLS),
    "deepseek-v3.2": _tagged(tags.dsml_parser, tags.DSML),
    "deepseek-v4": _tagged(tags.dsml_v4_parser, tags.DSML_V4),
    "firefunction": _marked(marked.FIREFUNCTION, marked.FIREFUNCTION_CALLS),
    "functionary": _marked(marked.FUNCTIONARY, marked.FUNCTIONARY_CALLS),
    "functionary-3.2": _way(functionary.parser, functionary.CALLS),
    "gigachat-3.5": _tagged(tags.gcml_parser, tags.GCML),
    "gigachat": _marked(marked.GIGACHAT, marked.GIGACHAT_CALLS),
    "gigachat-turns": _marked(marked.GIGACHAT_TURN, marked.GIGACHAT_TURN_CALLS, "<|role_sep|>"),
    "glm4": _way(functionary.glm4_parser, functionary.GLM4_CALLS),
    "granite": _marked(marked.GRANITE, marked.GRANITE_CALLS),
    "granite-20b": _marked(marked.GRANITE_20B, marked.GRANITE_20B_CALLS),
    "hy3": _paired(pair_tags.HY3),
    "hy3-preview": _paired(pair_tags.HY3_PREVIEW),
    "hy4": _paired(pair_tags.HY4),
    "intern": _marked(marked.INTERN, marked.INTERN_CALLS, *marked.INTERN_MARKS),
    "kimi-k2": _marked(marked.KIMI, marked.KIMI_CALLS, *marked.KIMI_MARKS),
    "kimi-k3": _thinking_in(
        kimi_k3.THINK,
        kimi_k3.THINK_END,
        kimi_k3.parser,
        kimi_k3.CALLS,
        *kimi_k3.MARKS,
        to_call=kimi_k3.RESPONSE,
    ),
    "llama3": _way(
        lambda asked: ToolCallParser("{", asked.tools), replace(JSON_ALONE, call=marked.LLAMA_CALL), "<|python_tag|>"
    ),
    "longcat": _paired(pair_tags.LONGCAT),
    "longcat-json": replace(_paired(pair_tags.LONGCAT), make=marked.parser(marked.LONGCAT), calls=marked.LONGCAT_CALLS),
    "minicpm3": _thinking_in(
        *lfm2.MINICPM_THOUGHTS, lfm2.minicpm_parser, lfm2.MINICPM_CALLS, *lfm2.MARKS, *lfm2.MINICPM_THOUGHTS
    ),
    "minicpm5": _tagged(tags.minicpm_parser, tags.MINICPM),
    "minimax-m1": _marked(marked.APRIEL, marked.MINIMAX_M1_CALLS),
    "minimax-m2": _tagged(tags.minimax_parser, tags.MINIMAX),
    "minimax-m3": _thinking_in(
        minimax_m3.THINK, minimax_m3.THINK_END, minimax_m3.parser, minimax_m3.CALLS, *minimax_m3.MARKS
    ),
    "mistral": _marked(marked.MISTRAL, marked.MISTRAL_CALLS, marked.MISTRAL.mark),
    "mistral-small": _way(ministral.parser, marked.MISTRAL_SMALL_CALLS, *ministral.MARKS, ministral.CALL_ID),
    "nemotron": _marked(marked.NEMOTRON, marked.NEMOTRON_CALLS),
    "nemotron-mini": _marked(marked.NEMOTRON_MINI, marked.NEMOTRON_MINI_CALLS),
    "phi4-mini": _marked(marked.PHI4, marked.PHI4_CALLS),
    "phi4-mini-list": _marked(marked.PHI4, marked.PHI4_LIST),
    "python-list": _way(lfm2.parser, lfm2.BARE_CALLS),
    "seed-oss": _thinking_in("<seed:think>", "</seed:think>", tags.seed_parser, tags.SEED_CALLS, *tags.SEED_MARKS),
    "solar": _marked(marked.SOLAR, marked.SOLAR_CALLS, *marked.SOLAR_MARKS),
    "xlam": _way(lambda asked: ToolCallParser("[", asked.tools), marked.XLAM_CALLS),
}
