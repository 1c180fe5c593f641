"""From the text of the engine to the parts of an answer: thinking, tool calls, content."""
