"""What an answer must look like: JSON Schemas, checked and rewritten for the engine that enforces them."""
