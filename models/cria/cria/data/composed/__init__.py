"""Generators that compose sentences from grammars and public word lists, instead of filling whole templates."""
