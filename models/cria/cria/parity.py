"""Whether PyTorch and llama.cpp agree: ``python -m cria.parity <folder of the build>``.

Compared are, on prompts of the test cases, the text of the chat template, its tokens, and what both
generate greedily from the same tokens with the F16 export.
"""

import argparse
import itertools
from pathlib import Path

import torch

from cria import tokenizer as tokenizers
from cria.chat import END, END_OF_TEXT, chat_prompt, fim_prompt
from cria.evaluate import cases, engine_chat, post, serve
from cria.examples import Example, Fim, Item
from cria.export import load_model
from cria.model import Cria

PROMPTS = 20
TOKENS = 48


def prompt_text(item: Item) -> str:
    """What the model is given for an item without its answer."""
    if isinstance(item, Example):
        return chat_prompt(item)
    return fim_prompt(item) if isinstance(item, Fim) else item.text


@torch.no_grad()
def greedy(model: Cria, tokens: list[int], ends: set[int]) -> list[int]:
    """The likeliest next tokens, one after another, up to an end token."""
    made: list[int] = []
    while len(made) < TOKENS:
        best = int(model(torch.tensor([tokens + made]))[0, -1].argmax())
        if best in ends:
            break
        made.append(best)
    return made


def chosen_items(number: int) -> list[Item]:
    """Prompts of as many kinds as there are, one of each in turn."""
    every = list(cases(max(1, number // 8), "", "parity"))
    kinds = {case.kind: [one.prompt for one in every if one.kind == case.kind] for case in every}
    turns = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    return [item for item in turns if item is not None][:number]


def main() -> None:
    """Compare PyTorch with llama.cpp and fail where they differ."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="holds checkpoint.pt, tokenizer.json and cria-f16.gguf")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    arguments = parser.parse_args()
    model = load_model(arguments.folder / "checkpoint.pt").half().float()
    tokenizer = tokenizers.load(arguments.folder / "tokenizer.json")
    ends = {tokenizers.token_id(tokenizer, token) for token in (END, END_OF_TEXT)}
    url, server = serve(arguments.folder / "cria-f16.gguf")
    differing = 0
    for item in chosen_items(arguments.prompts):
        text = prompt_text(item)
        if isinstance(item, Example):
            rendered = post(f"{url}/apply-template", engine_chat(item))["prompt"]
            if rendered != text:
                differing += 1
                print(f"template: {rendered!r}\ninstead of {text!r}")
        tokens = tokenizer.encode(text).ids
        theirs = post(f"{url}/tokenize", {"content": text, "parse_special": True, "add_special": False})["tokens"]
        if theirs != tokens:
            differing += 1
            print(f"tokens: {theirs}\ninstead of {tokens} for {text!r}")
        body = {"prompt": tokens, "n_predict": TOKENS, "temperature": 0, "return_tokens": True}
        made = [token for token in post(f"{url}/completion", body)["tokens"] if token not in ends]
        expected = greedy(model, tokens, ends)
        if made != expected:
            differing += 1
            print(f"generated: {tokenizer.decode(made)!r}\ninstead of {tokenizer.decode(expected)!r}")
    del server
    print(f"{arguments.prompts} prompts, {differing} differences")
    raise SystemExit(bool(differing))


if __name__ == "__main__":
    main()
