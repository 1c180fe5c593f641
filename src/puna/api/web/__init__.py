"""The page for people, at ``/``: its files, and the rules that a browser keeps for it."""
