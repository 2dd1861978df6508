"""``kolla-k8s gen-charts``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kolla_k8s.cli.options import Definitions, Services


def gen_charts(
    services: Services = None,
    *,
    release: Annotated[str, typer.Option(help="OpenStack release the charts are for.")] = "2026.1",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when charts differ.")] = False,
    output: Annotated[Path | None, typer.Option(help="Folder to write charts into.")] = None,
    definitions: Definitions = None,
) -> None:
    """Compile service definitions into Helm charts.

    Example: kolla-k8s gen-charts keystone --output /tmp/charts
    """
    from kolla_k8s import places  # noqa: PLC0415
    from kolla_k8s.cli.definitions import load_catalog, require_known  # noqa: PLC0415
    from kolla_k8s.compile.render import render_chart  # noqa: PLC0415
    from kolla_k8s.compile.write import differences, write_charts  # noqa: PLC0415
    from kolla_k8s.errors import DidNotComeUpError  # noqa: PLC0415

    catalog = load_catalog(definitions, release)
    require_known(services or (), catalog.services)
    names = sorted(services or catalog.services)
    folder = output or places.data("charts")
    charts = [render_chart(catalog, name).files for name in names]
    if check:
        different = differences(folder, charts, names)
        if different:
            listed = "\n".join(f"{folder}/{path}: differs from its definition" for path in different)
            raise DidNotComeUpError(f"{listed}\nrun `kolla-k8s gen-charts`")
        typer.echo(f"{len(names)} charts equal their definitions")
        return
    changed = write_charts(folder, charts, names, is_all=not services)
    typer.echo(f"{len(names)} charts in {folder}, {len(changed)} files changed")
