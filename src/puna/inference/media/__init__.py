"""Pictures and sound that come with a prompt, in the forms that the engine reads."""
