"""``puna signin`` and ``signout``, which scripts for Ollama may call."""

import typer

_SIGN_IN = """\
There is nothing to sign in to: Puna runs models on your own machine, and has no account.
Ollama's command would send you to ollama.com, for its cloud models and for pushing there. To push to ollama.com, add
the public key ~/.ollama/id_ed25519.pub to your account there; for other registries, PUNA_REGISTRY_AUTH holds logins."""
_SIGN_OUT = """\
There is nothing to sign out of: Puna has no account. Ollama's command would take this machine's key off ollama.com;
you do that on its page, and PUNA_REGISTRY_AUTH holds the logins for other registries."""


def signin() -> None:
    """Say what Ollama's command would do; Puna has no account."""
    typer.echo(_SIGN_IN)


def signout() -> None:
    """Say what Ollama's command would do; Puna has no account."""
    typer.echo(_SIGN_OUT)
