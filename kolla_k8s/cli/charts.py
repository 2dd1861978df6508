"""``kolla-k8s gen-charts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    source, folder = definitions or places.data("service_defs"), output or places.data("charts")
    if check:
        _compare(source, folder, release, services or ())
    else:
        count, changed = _compile(source, folder, release, services or ())
        typer.echo(f"{count} charts in {folder}, {changed} files changed")
    if (source / "options").is_dir() and not (source / "options" / release).is_dir():
        typer.echo(f"options of {release} were not checked: {source / 'options'} has no list of them", err=True)


def _compare(source: Path, folder: Path, release: str, services: Sequence[str]) -> None:
    """Render everything, whatever is remembered, and raise for what differs."""
    from kolla_k8s.compile.write import differences  # noqa: PLC0415
    from kolla_k8s.errors import DidNotComeUpError  # noqa: PLC0415

    names, charts = _rendered(source, release, services)
    if different := differences(folder, charts, names):
        listed = "\n".join(f"{folder}/{path}: differs from its definition" for path in different)
        raise DidNotComeUpError(f"{listed}\nrun `kolla-k8s gen-charts`")
    typer.echo(f"{len(names)} charts equal their definitions")


def _compile(source: Path, folder: Path, release: str, services: Sequence[str]) -> tuple[int, int]:
    """Number of charts, and of files that changed; nothing is rendered when nothing has changed since the last time."""
    from kolla_k8s import places  # noqa: PLC0415
    from kolla_k8s.compile.memory import Compilation, digest_inputs, recall, remember  # noqa: PLC0415
    from kolla_k8s.compile.write import charts_digest, is_written, write_charts  # noqa: PLC0415

    inputs = digest_inputs(source, release, services)
    last = recall(places.cache())
    if last and last.inputs == inputs and is_written(folder, last.names, last.charts, is_all=not services):
        return len(last.names), 0
    names, charts = _rendered(source, release, services)
    changed = write_charts(folder, charts, names, is_all=not services)
    if inputs and inputs == digest_inputs(source, release, services):  # nobody edited while we compiled
        remember(places.cache(), Compilation(inputs, tuple(names), charts_digest(charts, names)))
    return len(names), len(changed)


def _rendered(source: Path, release: str, services: Sequence[str]) -> tuple[list[str], list[Mapping[str, str]]]:
    from kolla_k8s.cli.definitions import load_catalog, require_known  # noqa: PLC0415
    from kolla_k8s.compile.render import render_chart  # noqa: PLC0415

    catalog = load_catalog(source, release)
    require_known(services, catalog.services)
    names = sorted(services or catalog.services)
    return names, [render_chart(catalog, name).files for name in names]
