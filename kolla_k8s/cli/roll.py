"""``kolla-k8s roll``."""

from __future__ import annotations

from typing import Annotated

import typer

from kolla_k8s.cli.options import Context, Definitions, HelmPath, Kubeconfig, Output, Sets, Values, seconds


def roll(
    service: Annotated[str, typer.Argument(help="A service whose pods belong to nodes.")],
    *,
    node: Annotated[list[str] | None, typer.Option(help="Only this node; may be given again.")] = None,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    helm: HelmPath = "helm",
    output: Output = "auto",
    timeout: Annotated[float, typer.Option(callback=seconds, help="Seconds a node may show no progress.")] = 600.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which nodes, and what it costs them.")] = False,
) -> None:
    """Make the pods of nodes anew that still run what was there before the last install.

    One node after the other: the next one only when the pod is back and the service's gates are green. Stops at the
    first node that does not come back; the same command continues there.

    Example: kolla-k8s roll openvswitch --node compute-1 --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.nodes import Rolling, roll_service  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions)
    asked = Rolling(service, tuple(node or ()), output, timeout, dry_run)
    run(roll_service(source, Target(kubeconfig, context, helm), asked))
