"""What the operator types. Only this room prints and exits.

One command a file. Commands import what they need when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from kolla_k8s import __version__
from kolla_k8s.cli import (
    charts,
    check,
    cloud_commands,
    graph,
    publish,
    recover,
    roll,
    secrets,
    site_values,
    smoke,
    unlock,
)

app = typer.Typer(
    help="Compile service definitions into Helm charts, and install OpenStack from Kolla images on Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("gen-charts")(charts.gen_charts)
app.command("publish")(publish.publish)
app.command("plan")(cloud_commands.plan)
app.command("graph")(graph.graph)
app.command("install")(cloud_commands.install)
app.command("status")(cloud_commands.status)
app.command("why")(cloud_commands.why)
app.command("uninstall")(cloud_commands.uninstall)
app.command("roll")(roll.roll)
app.command("recover")(recover.recover)
app.command("unlock")(unlock.unlock)
app.command("check")(check.check)
app.command("smoke")(smoke.smoke)
app.add_typer(site_values.app, name="values")
app.add_typer(secrets.app, name="secrets")


def main() -> None:
    """Run a command; expected failures become one message and an exit code, never a traceback."""
    from kolla_k8s.errors import KollaK8sError  # noqa: PLC0415

    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # else it looks for some in every package that is installed
    gc.set_threshold(50_000, 10, 10)  # modules and definitions are no garbage: to look through them took 6 %
    try:
        app()
    except KollaK8sError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in its buffer has no reader
        sys.exit(141)
    finally:
        gc.freeze()  # nor is what is left at the end: 0.1 s
