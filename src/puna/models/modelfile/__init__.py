"""Modelfiles: the text that describes how a model is made, read and written as Ollama does."""

from puna.models.modelfile.parse import Command, Modelfile, ModelfileError, parse_modelfile
from puna.models.modelfile.write import modelfile_of, parameter_lines

__all__ = ["Command", "Modelfile", "ModelfileError", "modelfile_of", "parameter_lines", "parse_modelfile"]
