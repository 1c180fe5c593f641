"""One request, free of any dialect: prompt, engine, output."""
