"""``kolla-k8s check``."""

from __future__ import annotations

from kolla_k8s.cli.options import Charts, Context, Definitions, HelmPath, Kubeconfig, Output, Sets, Values


def check(
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
    """Look at a cluster before installing: versions, rights, storage, labels, room, DNS, images. Changes nothing.

    Example: kolla-k8s check --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.preflight import check_cluster  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions, charts)
    run(check_cluster(source, Target(kubeconfig, context, helm), output))
