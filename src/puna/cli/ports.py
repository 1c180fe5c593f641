"""Who listens on a port of this machine."""

import psutil


def program_on(port: int) -> str:
    """Return the program that listens on a port and its number ("ollama (process 123)"), "" if nobody knows.

    Those of other users may be known to root alone.
    """
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
