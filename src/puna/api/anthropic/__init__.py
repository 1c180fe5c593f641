"""Anthropic's dialect: messages, token counts and models as the official clients ask for them."""
