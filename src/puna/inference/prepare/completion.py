"""Text to go on with as it is, and gaps to fill."""

from puna.engine.protocol import Engine, Route
from puna.inference.capabilities import fim_tokens, require
from puna.inference.engine_body import common_body, logprobs_for_completion
from puna.inference.families.voice import parse_template
from puna.inference.media.placing import with_marks
from puna.inference.prepare.call import Prepared, Prompt, decoder, fitting
from puna.inference.prompt.fit import fit_gap
from puna.inference.prompt.ollama_template import TemplateValues
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Completion, GenerationRequest, Infill


async def completion(client: Engine, context: int, asked: Completion) -> Prompt:
    """Return the prompt of a text that no template is to touch."""
    if isinstance(asked.prompt, tuple):
        return Prompt("", prefix=asked.prompt)
    if not asked.images:
        return Prompt(asked.prompt)
    counted = await fitting(client, context, asked.prompt, asked.images)
    marked = with_marks(asked.prompt, asked.images, asked.places, await client.media_marker())
    return Prompt(marked, asked.images, counted=counted)


async def infill(request: GenerationRequest, client: Engine, context: int, gap: Infill) -> Prepared | Prompt:
    """Return the prompt of a gap in the template's words, or the call with the marks that the vocabulary has."""
    text = request.template or request.model.template
    if text and "suffix" in (template := await beside_the_loop(lambda: parse_template(text))).variables:
        values = TemplateValues(prompt=gap.prefix, suffix=gap.suffix, think=request.thinks)
        return Prompt(await beside_the_loop(lambda: template.render(values)))
    require(request.model, request.name, "insert")
    # The engine has a route for this as well, but it cuts long texts without saying so.
    before, between, end = fim_tokens(request.model.gguf)
    beginning = [*await client.tokenize("", special=True), before]
    prefix = await client.tokenize(gap.prefix, special=False, parse_special=False)
    suffix = await client.tokenize(gap.suffix, special=False, parse_special=False)
    room = context - len(beginning) - 2
    prefix, suffix, truncation = fit_gap(prefix, suffix, room, context, truncate=request.truncate)
    tokens = [*beginning, *prefix, between, *suffix, end]
    body = {"prompt": tokens} | common_body(request, context, len(tokens)) | logprobs_for_completion(request)
    prompt = await client.detokenize(tokens)
    return Prepared(Route.COMPLETION, body, decoder([], request.options.stop), prompt=prompt, truncation=truncation)
