"""From the messages of a request to the prompt of the engine."""
