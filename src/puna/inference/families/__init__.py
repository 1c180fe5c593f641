"""How families of models speak: one file a family, with what renders its prompts and what parses its answers."""
