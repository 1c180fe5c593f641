"""Small shapes to make models of."""

from bench.models import Shape
from bench.vocabulary import SMALLEST

SMALL = Shape("llama", "llama-bpe", 4, 256, 4, 2, 512, SMALLEST, 4096, 1e4, tied=False)
BIASED = Shape("qwen2", "qwen2", 2, 128, 4, 2, 256, SMALLEST, 512, 1e4, tied=True, biases=True)
