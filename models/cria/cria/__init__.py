"""Data, training, export and evaluation of cria, the model that ships with Puna."""
