"""``puna cluster``: many machines behind one address."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Annotated

import typer

from puna import __version__
from puna.cli.client import NOT_FOUND, Client, ServerError
from puna.cli.connection import connected
from puna.cli.errors import CommandError
from puna.cli.serve import refuse_open
from puna.cli.tables import AsJson, human_size, print_json, print_table
from puna.settings import Settings

RAY_PORT = 6379
_MISSING = 'a cluster needs Ray: pip install "puna[cluster]"'
_PATH = "/api/puna/cluster"
_REJOIN_SECONDS = 5.0
_ABOUT = "started.json"

app = typer.Typer(
    help="Answer requests with many machines.\n\nThe first machine is started, others join it; each answers with its "
    "own memory, cards and engine. docs/cluster.md says more.",
    no_args_is_help=False,
)
_Token = Annotated[str, typer.Option(help="the cluster's token; else that of PUNA_HOME", envvar="PUNA_CLUSTER_TOKEN")]
_Address = Annotated[str, typer.Option("--address", help="the address by which others reach this machine")]


@app.command()
def start(
    port: Annotated[int, typer.Option(help="the port on which other machines join")] = RAY_PORT,
    own: _Address = "",
    token: _Token = "",
    ingresses: Annotated[int, typer.Option(help="processes that take requests", min=1)] = 1,
) -> None:
    """Start a cluster, with this machine as its first; it takes requests at OLLAMA_HOST."""
    settings = Settings.from_env()
    refuse_open(settings)
    _need_ray()
    from puna.cluster.ray_node import INGRESS, NODE, environment, own_address, ray_node, token_of

    secret = token_of(settings, token)
    address, about = own or own_address(), settings.home / "cluster" / _ABOUT
    resources = json.dumps({NODE: 1, INGRESS: 1})
    arguments = ["--head", f"--port={port}", f"--node-ip-address={address}", "--include-dashboard=false"]
    arguments += [f"--resources={resources}"]
    with _ended_by_signals(), ray_node(settings, secret, arguments) as process:
        os.environ.update(environment(secret))  # Ray reads it when it is imported, which takes seconds
        from puna.cluster.ray_deploy import deploy

        joined_at = f"{address}:{port}"
        deploy(joined_at, settings, {"ingresses": str(ingresses)}, anew=False)
        about.write_text(json.dumps({"address": joined_at, "ingresses": str(ingresses)}), encoding="utf-8")
        typer.echo(f"Puna {__version__} listens on {settings.url}, with a cluster")
        typer.echo(f"On other machines: puna cluster join {joined_at} --token {secret}")
        _stay(process)


@app.command()
def join(
    address: Annotated[str, typer.Argument(help="the first machine's address, with its port", show_default=False)],
    own: _Address = "",
    token: _Token = "",
) -> None:
    """Let this machine answer requests of a cluster until the command ends."""
    settings = Settings.from_env()
    _need_ray()
    from puna.cluster.ray_node import NODE, ClusterError, own_address, ray_node, token_of

    secret = token_of(settings, token)
    host, _, port = address.partition(":")
    arguments = [f"--address={host}:{port or RAY_PORT}", f"--node-ip-address={own or own_address()}"]
    arguments += [f"--resources={json.dumps({NODE: 1})}"]
    with _ended_by_signals():
        with ray_node(settings, secret, arguments) as process:
            typer.echo(f"Puna {__version__} has joined {host}:{port or RAY_PORT}")
            process.wait()
        while True:  # the first machine has gone: it may come back at the same address
            typer.echo(f"{host}:{port or RAY_PORT} is lost, and joined again when it is back")
            time.sleep(_REJOIN_SECONDS)
            with contextlib.suppress(ClusterError), ray_node(settings, secret, arguments) as process:
                typer.echo(f"Puna {__version__} has joined {host}:{port or RAY_PORT} again")
                process.wait()


@app.command()
def update(token: _Token = "") -> None:
    """Replace the processes of all machines one after another, on the first machine, as after an upgrade of Puna.

    Requests go on meanwhile, as long as there is more than one machine.
    """
    settings = Settings.from_env()
    _need_ray()
    from puna.cluster.ray_node import environment, token_of

    try:
        about = json.loads((settings.home / "cluster" / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CommandError("no cluster was started on this machine") from None
    os.environ.update(environment(token_of(settings, token)))
    from puna.cluster.ray_deploy import deploy

    deploy(about.pop("address"), settings, about, anew=True)
    typer.echo("all processes have been replaced")


@app.command()
def status(as_json: AsJson = False) -> None:
    """List the machines of a cluster."""
    with connected() as client, _of_a_cluster(client):
        answer = client.get(_PATH)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("NODE", "ADDRESS", "STATE", "VERSION", "ENGINE", "FREE", "MODELS"),
        [
            (
                entry["node"],
                entry["address"],
                entry["state"],
                entry["version"] + (" (other)" if entry["version"] != answer["version"] else ""),
                entry["engine"],
                human_size(entry["free"]),
                ", ".join(held["model"] for held in entry["models"]) or "-",
            )
            for entry in answer["nodes"]
        ],
    )


@app.command()
def drain(
    node: Annotated[str, typer.Argument(help="a node's name or address, as status lists it", show_default=False)],
    undo: Annotated[bool, typer.Option("--undo", help="let it take requests again")] = False,
) -> None:
    """Let a machine take no more requests; those that it answers come to their end."""
    with connected() as client, _of_a_cluster(client):
        answer = client.post(f"{_PATH}/drain", {"node": node, "drain": not undo})
    for name in answer["nodes"]:
        typer.echo(f"{name} takes {'requests again' if undo else 'no more requests'}")


@app.command()
def stop() -> None:
    """End the part of a cluster that runs on this machine."""
    from puna.jobs.process import is_alive

    path = Settings.from_env().home / "cluster" / "pid"
    try:
        process = path.read_text()
        if not is_alive(process):  # it was killed, and its number may be another program's by now
            raise CommandError("no part of a cluster runs here")
        os.kill(int(process.split()[0]), signal.SIGTERM)
    except (OSError, ValueError):
        raise CommandError("no part of a cluster runs here") from None
    typer.echo("it ends")


@contextlib.contextmanager
def _of_a_cluster(client: Client) -> Iterator[None]:
    """Say that the server is none of a cluster, which knows the route."""
    try:
        yield
    except ServerError as error:
        if error.status == NOT_FOUND and _PATH in str(error):
            raise CommandError(f"the server at {client.url} is no cluster (puna cluster start)") from error
        raise


def _need_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        raise CommandError(_MISSING)


def _stay(process: "subprocess.Popen[bytes]") -> None:
    process.wait()
    raise CommandError("Ray has ended; PUNA_HOME/cluster/ray.log says more")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the context end in order by the signals that end a server."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
    yield
