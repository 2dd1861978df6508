"""What the operator types. Only this room prints and exits.

One command a file. Commands import what they need when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

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


class Commands(typer.core.TyperGroup):
    """All commands; typer would end with its own code when whoever reads the output has gone."""

    def make_context(self, *words: Any, **more: Any) -> Any:
        """Read the command line; its help is printed here."""
        with _listened_to():
            return super().make_context(*words, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with _listened_to():
            return super().invoke(ctx)


class GoneError(Exception):
    """Whoever read the output has gone away, as ``head`` does."""


@contextmanager
def _listened_to() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise GoneError from None


app = typer.Typer(
    cls=Commands,
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
    from kolla_k8s.errors import KollaK8sError, OutsideError  # noqa: PLC0415

    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # else it looks for some in every package that is installed
    gc.set_threshold(50_000, 10, 10)  # modules and definitions are no garbage: to look through them took 6 %
    try:
        try:
            app()
        except SystemExit:
            if sys.stdout:  # which is None where the shell has closed it
                sys.stdout.flush()
            raise
    except KollaK8sError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    except (GoneError, BrokenPipeError):
        _give_up_output()
        sys.exit(141)
    except (UnicodeEncodeError, OSError) as error:
        if isinstance(error, OSError) and (error.errno != errno.ENOSPC or error.filename):
            raise
        _give_up_output()
        sys.stderr.write(f"output: cannot be written: {getattr(error, 'strerror', None) or error}; send it elsewhere\n")
        sys.exit(OutsideError.exit_code)
    finally:
        gc.freeze()  # nor is what is left at the end: 0.1 s


def _give_up_output() -> None:
    """What is left in the buffer of the output has no reader: it must not be tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
