"""Text to go on with as it is, and gaps to fill."""

from puna.engine.client import EngineClient
from puna.inference.capabilities import fim_tokens, require
from puna.inference.engine_body import common_body, logprobs_for_completion
from puna.inference.families.voice import parse_template
from puna.inference.media.placing import with_marks
from puna.inference.prepare.call import Prepared, decoder, effective_think, fitting, from_text, media_marker
from puna.inference.prompt.fit import fit_gap
from puna.inference.prompt.ollama_template import TemplateValues
from puna.inference.prompt.rendering import beside_the_loop
from puna.inference.requests import Completion, GenerationRequest, Infill, Message


async def completion(request: GenerationRequest, client: EngineClient, context: int, asked: Completion) -> Prepared:
    """Return the call for a text that no template is to touch."""
    images = list(asked.images)
    if not images:
        return await from_text(request, client, context, asked.prompt)
    marker = await media_marker(client, [Message(role="user", images=asked.images)])
    counted = await fitting(client, context, asked.prompt, images)
    marked = with_marks(asked.prompt, images, asked.places, marker)
    return await from_text(request, client, context, marked, images, counted=counted)


async def infill(request: GenerationRequest, client: EngineClient, context: int, gap: Infill) -> Prepared:
    """Return the call for a gap, in the template's words, or between the marks that the model's vocabulary has."""
    text = request.template or request.model.template
    if text and "suffix" in (template := await beside_the_loop(lambda: parse_template(text))).variables:
        values = TemplateValues(prompt=gap.prefix, suffix=gap.suffix, think=effective_think(request))
        return await from_text(request, client, context, await beside_the_loop(lambda: template.render(values)))
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
    return Prepared("/completion", body, decoder([], request.options.stop), prompt=prompt, truncation=truncation)
