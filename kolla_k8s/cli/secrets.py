"""``kolla-k8s secrets init|export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kolla_k8s.cli.options import Context, Definitions, Kubeconfig, Sets, Values

app = typer.Typer(help="Secrets of a cloud: made once, kept in the cluster.", no_args_is_help=True)


@app.command()
def init(
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    from_file: Annotated[Path | None, typer.Option("--from", help="An export to take values from.")] = None,
) -> None:
    """Create namespaces and every Secret that charts expect; what is there is never changed.

    Example: kolla-k8s secrets init --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.keep import init_secrets  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415

    run(init_secrets(Source(values or (), sets or (), definitions), Target(kubeconfig, context), from_file))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write, of mode 0600; it must not exist.")],
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Write the site's secrets into a file; those that belong to the cluster (keys it rotates) stay there.

    Example: kolla-k8s secrets export secrets.yaml --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.keep import export_secrets  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415

    run(export_secrets(Source(values or (), sets or (), definitions), Target(kubeconfig, context), file))
