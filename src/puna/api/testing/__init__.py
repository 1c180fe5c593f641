"""The server's side of ``puna.testing``: answers by script, faults on demand, and a record of what was asked.

It exists only in a server that ``puna.testing`` has started (``PUNA_TESTING``): ``open_stage`` is the one way in.
"""
