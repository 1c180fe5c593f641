"""TLS: the certificate, read again when it is renewed, without a connection lost."""

import logging
import os
import ssl
from pathlib import Path

from puna.errors import PunaError

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325). TLS 1.3 has no others."""
_log = logging.getLogger(__name__)


class TLSError(PunaError):
    """The certificate or its key cannot be used."""


class TLS:
    """A context for connections, from a certificate with its chain and a key, in PEM; both may be in one file.

    Raises ``TLSError``.
    """

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._certificate, self._key = certificate, key or certificate
        self._state = self._look()
        self.context = self._load(_context())
        """For ``asyncio``; new connections use what was loaded last."""

    def refresh(self) -> None:
        """Load the files again if they have changed; while they do not fit together, those from before stay."""
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self._load(_context())  # a failure half-way would leave the context in use without its key
            self._load(self.context)
        except TLSError as error:
            _log.warning("the certificate from before stays in use: %s", error)
        else:
            _log.info("the certificate was loaded anew: %s", self._certificate)

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        states = []
        for path in (self._certificate, self._key):
            try:
                stat = os.stat(path)  # noqa: PTH116 - once a second, and it is what is meant
            except OSError:
                states.append((0, 0, 0))
            else:
                states.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        return tuple(states)

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        try:
            context.load_cert_chain(self._certificate, self._key, password="")  # else OpenSSL asks at the terminal
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).lower().replace("_", " ")
            raise TLSError(f"{self._certificate} and {self._key} are no certificate and its key: {reason}") from error
        except OSError as error:
            path = self._certificate if self._cannot_be_read(self._certificate) else self._key
            raise TLSError(f"{path}: {error.strerror or error} (PUNA_TLS_CERT, PUNA_TLS_KEY)") from error
        return context

    @staticmethod
    def _cannot_be_read(path: Path) -> bool:
        return not os.access(path, os.R_OK)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context
