"""OpenAI's Responses API: requests, the objects and events of answers, what is stored of them, and conversations."""
