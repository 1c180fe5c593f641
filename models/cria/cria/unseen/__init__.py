"""The evaluation on cases typed by hand, which no generator can reach: ``python -m cria.unseen``.

The cases lie beside this package in ``unseen/``; nothing that training imports may read them (a test holds that).
"""
