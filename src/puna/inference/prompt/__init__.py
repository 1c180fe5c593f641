"""From a request to the text or messages that the engine is given."""
