"""The process that loads a model for a moment: ``python -m puna.engine.load_probe BOUNDS CONFIG``.

It ends with 0 when the model has been loaded, a text tokenized and, if asked for, a token computed; with 3 when the
engine refuses; what else it ends with is the engine's death. Its parent may be gone by then, so the bounds are its own.
"""

import http.client
import json
import os
import resource
import signal
import socket
import sys

import xllamacpp

from puna.engine.config import RunnerConfig
from puna.engine.embedded import parameters

_REFUSED = 3
_TOKENIZED = "".join(map(chr, range(1, 256))) + " Zwölf Boxkämpfer 你好 🦙 \r\n\t 1234567890"
"""Every byte, and what pre-tokenizers split in ways of their own."""

_TOKEN = 1


class _Unix(http.client.HTTPConnection):
    """A connection to a unix socket, which the host's name is the path of."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def _bound(memory: int, seconds: int, processor_seconds: int) -> None:
    signal.alarm(seconds)
    for kind, most in (
        (resource.RLIMIT_DATA, memory),  # files that are mapped, as weights are, do not count
        (resource.RLIMIT_CPU, processor_seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Load what the second argument says, with the socket and the bounds of the first."""
    asked, config = json.loads(sys.argv[1]), RunnerConfig.from_json(sys.argv[2])
    _bound(asked["memory"], asked["seconds"], asked["processor_seconds"])
    params = parameters(config, asked["socket"], key="", debug=False)
    params.n_threads_http = 2
    params.chat_template = "{{ messages[0].content }}"  # templates are another question
    try:
        _server = xllamacpp.Server(params)
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - standard error is this process's way to be heard
        sys.exit(_REFUSED)  # in order: a thread of the engine is still writing the reason
    _post(asked["socket"], "/tokenize", {"content": _TOKENIZED, "add_special": True})
    if asked["compute"]:
        if config.embedding:
            _post(asked["socket"], "/embedding", {"content": [_TOKEN]})
        else:
            _post(asked["socket"], "/completion", {"prompt": [_TOKEN], "n_predict": 1})
    sys.stderr.flush()
    os._exit(0)


def _post(path: str, route: str, body: dict[str, object]) -> None:
    """Let the engine do something at which one whose tables or weights are broken dies. Any answer will do.

    That a vocabulary has no token for some text, say, is an error of the requests that have such a text.
    """
    connection = _Unix(path)
    connection.request("POST", route, json.dumps(body))
    connection.getresponse().read()


if __name__ == "__main__":
    main()
