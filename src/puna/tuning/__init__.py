"""Measures how a model runs fastest on this machine, with real runners."""
