"""``kolla-k8s smoke``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kolla_k8s.cli.options import Context, Definitions, Kubeconfig, Output, Sets, Values, seconds


def _network(value: str) -> str:
    from ipaddress import ip_network  # noqa: PLC0415

    try:
        ip_network(value)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write a network, such as 192.168.231.0/24") from None
    return value


def smoke(
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = "auto",
    kernel: Annotated[Path | None, typer.Option(help="Kernel of the guest, with --ramdisk.")] = None,
    ramdisk: Annotated[Path | None, typer.Option(help="Initial ramdisk of the guest.")] = None,
    image: Annotated[Path | None, typer.Option(help="Disk image of the guest, uploaded and deleted again.")] = None,
    disk_format: Annotated[str, typer.Option(help="Format of --image.")] = "qcow2",
    image_name: Annotated[str | None, typer.Option(help="Image that the cloud already has.")] = None,
    memory: Annotated[int, typer.Option(min=16, help="Memory of the guest in MiB.")] = 256,
    cidr: Annotated[
        str, typer.Option(callback=_network, help="Addresses of the network that is made.")
    ] = "192.168.231.0/24",
    timeout: Annotated[float, typer.Option(callback=seconds, help="Seconds a step may take.")] = 300.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave what was made, to look at it.")] = False,
    clean: Annotated[str | None, typer.Option(help="Only delete what the kept run of this name made.")] = None,
) -> None:
    """Walk a user's path through the cloud: boot a server, read its console, ping it, delete everything.

    Example: kolla-k8s smoke --values site.yaml --image-name cirros
    """
    from kolla_k8s.cli.cloud import Source  # noqa: PLC0415
    from kolla_k8s.cli.session import Target, run  # noqa: PLC0415
    from kolla_k8s.cli.walk import Guest, clean_up, walk  # noqa: PLC0415

    source = Source(values or (), sets or (), definitions)
    target = Target(kubeconfig, context)
    if clean is not None:
        run(clean_up(source, target, clean, output, timeout))
        return
    guest = Guest(kernel, ramdisk, image, disk_format, image_name, memory, cidr)
    run(walk(source, target, guest, output, timeout, keep=keep))
