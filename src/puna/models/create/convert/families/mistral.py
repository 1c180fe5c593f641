"""Mistral 7B, Nemo and Small: Llama's architecture, with a head size of its own."""

from puna.models.create.convert.families.llama import Llama


class Mistral(Llama):
    """The attention window of the first 7B model is not part of llama.cpp's architecture: it sees all of the
    text.
    """

    architectures = ("MistralForCausalLM", "MistralModel")
