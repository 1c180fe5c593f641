"""OLMo 3, which llama.cpp reads as OLMo 2."""

from puna.models.layouts.layout import Layout
from puna.models.layouts.steps import architecture

LAYOUT = Layout(name="olmo3", architectures=("olmo3",), text=(architecture("olmo2"),))
