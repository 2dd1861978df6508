"""``kolla-k8s publish``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kolla_k8s.cli.options import Charts, HelmPath, Services


def publish(
    services: Services = None,
    *,
    to: Annotated[str, typer.Option(help="A directory, or oci://HOST/PATH.")],
    charts: Charts = None,
    helm: HelmPath = "helm",
    plain_http: Annotated[bool, typer.Option(help="The registry speaks HTTP, as on loopback.")] = False,
) -> None:
    """Package charts and put them into a chart repository; what is published never changes.

    Example: kolla-k8s publish --to oci://registry.example.org/charts
    """
    import asyncio  # noqa: PLC0415

    from kolla_k8s import places  # noqa: PLC0415
    from kolla_k8s.cli.definitions import require_known  # noqa: PLC0415
    from kolla_k8s.publish.folder import publish_to_folder  # noqa: PLC0415
    from kolla_k8s.publish.oci import publish_to_registry  # noqa: PLC0415
    from kolla_k8s.publish.package import package  # noqa: PLC0415

    folder = Path(charts) if charts else places.data("charts")
    known = sorted(path.parent.name for path in folder.glob("*/Chart.yaml"))
    require_known(services or (), known)
    packages = [package(folder / name) for name in services or known]
    if to.startswith("oci://"):
        new = asyncio.run(publish_to_registry(packages, to.rstrip("/"), _helm(helm, is_plain=plain_http)))
    else:
        new = publish_to_folder(packages, Path(to))
    for name in new:
        typer.echo(f"{name} published")
    typer.echo(f"{len(packages)} charts in {to}, {len(new)} of them new")


def _helm(executable: str, *, is_plain: bool) -> Callable[[Sequence[str]], Awaitable[str]]:
    from kolla_k8s.adapters.helm import HelmProgram, Runner, default_home  # noqa: PLC0415

    program = HelmProgram(Runner(executable, None, None, default_home()))

    async def run(arguments: Sequence[str]) -> str:
        return await program.run([*arguments, *(["--plain-http"] if is_plain else [])])

    return run
