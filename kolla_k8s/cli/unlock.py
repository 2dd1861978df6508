"""``kolla-k8s unlock``."""

from __future__ import annotations

from typing import Annotated

import typer

from kolla_k8s.cli.options import Context, Definitions, Kubeconfig, Sets, Values


def unlock(
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    force: Annotated[bool, typer.Option("--force", help="At once, and also from a run that lives.")] = False,
) -> None:
    """Let go of a cloud that a dead run still holds; what it had begun, the next install continues.

    A run that was killed on this machine needs no unlock, one that was killed elsewhere is outlived after 30 seconds.
    Without --force the hold is watched for as long first, whatever the clocks say, and is left to a run that renews it.

    Example: kolla-k8s unlock --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415
    from kolla_k8s.cli.work import unlock_cloud  # noqa: PLC0415

    run(unlock_cloud(Source(values or (), sets or (), definitions), Target(kubeconfig, context), is_forced=force))
