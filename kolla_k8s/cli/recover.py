"""``kolla-k8s recover``."""

from __future__ import annotations

from typing import Annotated

import typer

from kolla_k8s.cli.options import Context, Definitions, Kubeconfig, Sets, Values


def recover(
    service: Annotated[str, typer.Argument(help="A service whose members wait for each other.")],
    *,
    force_from: Annotated[
        str | None, typer.Option(help="Start the cluster from this pod's data; newer data of others are lost.")
    ] = None,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show what the stopped members of a cluster hold, or start it from one of them when others are lost.

    Nothing is needed while every member can start: they go on by themselves, with the newest data of any.

    Example: kolla-k8s recover mariadb --values site.yaml --force-from mariadb-1
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415
    from kolla_k8s.cli.work import recover_service  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions)
    run(recover_service(source, Target(kubeconfig, context), service, force_from))
