"""``kolla-k8s plan``, ``install``, ``status``, ``why`` and ``uninstall``: the commands that look at a cloud."""

from __future__ import annotations

from typing import Annotated

import typer

from kolla_k8s.cli.options import (
    Charts,
    Context,
    Definitions,
    HelmPath,
    Kubeconfig,
    Output,
    Services,
    Sets,
    Values,
    seconds,
)


def plan(
    services: Services = None,
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    charts: Charts = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    helm: HelmPath = "helm",
    output: Output = "auto",
) -> None:
    """Say what install would do and which pods it makes anew, and change nothing.

    Example: kolla-k8s plan --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.planned import show_plan  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions, charts)
    run(show_plan(source, Target(kubeconfig, context, helm), services or (), output))


def install(
    services: Services = None,
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    charts: Charts = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    helm: HelmPath = "helm",
    output: Output = "auto",
    timeout: Annotated[float, typer.Option(callback=seconds, help="Seconds a service may show no progress.")] = 600.0,
) -> None:
    """Bring a cloud to what the site file says, in order, each service gated on its function.

    Example: kolla-k8s install --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415
    from kolla_k8s.cli.work import install_cloud  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions, charts)
    run(install_cloud(source, Target(kubeconfig, context, helm), services or (), output, timeout))


def status(
    services: Services = None,
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    charts: Charts = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    helm: HelmPath = "helm",
    output: Output = "auto",
) -> None:
    """Show each service: its release, whether its objects are up, what it waits for.

    Example: kolla-k8s status --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.look import show_status  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions, charts)
    run(show_status(source, Target(kubeconfig, context, helm), services or (), output))


def why(
    service: Annotated[str, typer.Argument(help="The service that is not up.")],
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    charts: Charts = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    helm: HelmPath = "helm",
) -> None:
    """Say why a service is not up: the first cause, through everything it needs.

    Example: kolla-k8s why keystone --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.look import explain_service  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions, charts)
    run(explain_service(source, Target(kubeconfig, context, helm), service))


def uninstall(
    services: Services = None,
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    helm: HelmPath = "helm",
    output: Output = "auto",
    data: Annotated[
        bool, typer.Option("--delete-data", help="Delete volumes and Secrets too; nothing brings them back.")
    ] = False,
) -> None:
    """Remove services, users before what they use. Volumes and Secrets stay unless named.

    Example: kolla-k8s uninstall keystone --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415
    from kolla_k8s.cli.work import uninstall_cloud  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions)
    run(uninstall_cloud(source, Target(kubeconfig, context, helm), services or (), output, delete_data=data))
