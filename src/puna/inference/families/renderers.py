"""The renderers by the names that manifests have for them, and the texts with which their prompts begin."""

from collections.abc import Mapping

from puna.inference.families import (
    cohere,
    deepseek,
    functiongemma,
    gemma4,
    glimmer,
    glm,
    laguna,
    lfm2,
    nemotron,
    olmo3,
    qwen3coder,
    qwen3vl,
    qwen35,
)
from puna.inference.families.dialogue import Renderer

RENDERERS: Mapping[str, Renderer] = {
    "cogito": deepseek.cogito,
    "cohere": cohere.render,
    "deepseek3.1": deepseek.deepseek31,
    "functiongemma": functiongemma.render,
    "gemma4": gemma4.small,
    "gemma4-large": gemma4.large,
    "gemma4-small": gemma4.small,
    "glimmer": glimmer.render,
    "glm-4.7": glm.glm47,
    "glm-ocr": glm.glm_ocr,
    "laguna": laguna.laguna,
    "lfm2": lfm2.plain,
    "lfm2-thinking": lfm2.thinking,
    "nemotron-3-nano": nemotron.nano3,
    "nemotron-3.5-nano": nemotron.nano35,
    "olmo3": olmo3.olmo3,
    "olmo3-32b-think": olmo3.thinking_32b,
    "olmo3-think": olmo3.thinking,
    "olmo3.1": olmo3.olmo31,
    "ornith": qwen35.ornith,
    "poolside-v1": laguna.poolside,
    "qwen3-coder": qwen3coder.render,
    "qwen3-vl-instruct": qwen3vl.instruct,
    "qwen3-vl-thinking": qwen3vl.thinking,
    "qwen3.5": qwen35.qwen35,
    "qwen3.8": qwen35.qwen38,
}

LEADING_BOS: Mapping[str, str] = {
    "cogito": deepseek.BOS,
    "cohere": cohere.BOS,
    "deepseek3.1": deepseek.BOS,
    "functiongemma": functiongemma.BOS,
    "gemma4": gemma4.BOS,
    "gemma4-large": gemma4.BOS,
    "gemma4-small": gemma4.BOS,
    "glimmer": glimmer.BOS,
    "laguna": laguna.BOS,
    "lfm2": lfm2.BOS,
    "lfm2-thinking": lfm2.BOS,
    "poolside-v1": laguna.BOS,
}
"""The beginning of text that a prompt has, or that belongs before it, and that the tokenizer may add as well."""
