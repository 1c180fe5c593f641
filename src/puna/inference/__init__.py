"""One request, free of any dialect: what is asked, how it reaches the engine, what comes back."""
