"""The program ``puna``, which is installed as ``ollama`` too."""

import sys

from puna.cli.failure import prepare_streams, status_of

_SERVE, _WITH_STDIN = ("serve", "start"), "--exit-with-stdin"


def main() -> None:
    """Run the command line; errors are one line on standard error and status 1."""
    prepare_streams()
    sys.exit(status_of(_run))


def _run() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] and arguments[0] in _SERVE and arguments[1:] in ([], [_WITH_STDIN]):
        from puna.cli.serve import serve  # what reads arguments would stay in the server's memory

        serve(exit_with_stdin=_WITH_STDIN in arguments)
        return
    from puna.cli.commands import run

    run(arguments)
