"""``kolla-k8s publish``."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kolla_k8s.cli.options import Charts, Definitions, HelmPath, Services

if TYPE_CHECKING:
    from kolla_k8s.errors import Problem
    from kolla_k8s.model.catalog import Catalog
    from kolla_k8s.publish.package import Package


def publish(
    services: Services = None,
    *,
    to: Annotated[str, typer.Option(help="A directory, or oci://HOST/PATH.")],
    charts: Charts = None,
    definitions: Definitions = None,
    helm: HelmPath = "helm",
    plain_http: Annotated[bool, typer.Option(help="The registry speaks HTTP, as on loopback.")] = False,
) -> None:
    """Package charts that equal their definitions for a chart repository; what is published never changes.

    Example: kolla-k8s publish --to oci://registry.example.org/charts
    """
    import asyncio  # noqa: PLC0415

    from kolla_k8s import places  # noqa: PLC0415
    from kolla_k8s.cli.definitions import require_known  # noqa: PLC0415
    from kolla_k8s.errors import OutsideError  # noqa: PLC0415
    from kolla_k8s.publish.folder import publish_to_folder  # noqa: PLC0415
    from kolla_k8s.publish.oci import publish_to_registry  # noqa: PLC0415
    from kolla_k8s.publish.package import package  # noqa: PLC0415

    target = _target(to)
    folder = Path(charts) if charts else places.data("charts")
    known = sorted(path.parent.name for path in folder.glob("*/Chart.yaml"))
    if not known:
        raise OutsideError(str(folder), "holds no chart", "run `kolla-k8s gen-charts`, or name a folder with --charts")
    require_known(services or (), known)
    packages = [package(folder / name) for name in services or known]
    _require_current(packages, folder, definitions or places.data("service_defs"))
    if isinstance(target, str):
        new = asyncio.run(publish_to_registry(packages, target, _helm(helm, is_plain=plain_http)))
    else:
        new = publish_to_folder(packages, target)
    for name in new:
        typer.echo(f"{name} published")
    typer.echo(f"{len(packages)} charts in {to}, {len(new)} of them new")


def _target(to: str) -> Path | str:
    """A directory, or the URL of a registry; what looks like a URL and is none of these is no directory either."""
    from kolla_k8s.errors import Problem, UserFilesError  # noqa: PLC0415

    if re.fullmatch(r"oci://[^/]+.*", to):
        return to.rstrip("/")
    if re.match(r"[A-Za-z][-+.A-Za-z0-9]*:", to):
        raise UserFilesError([Problem("--to", "", f'"{to}" is no directory', "name one, or oci://HOST/PATH")])
    return Path(to)


def _require_current(packages: Sequence[Package], folder: Path, definitions: Path) -> None:
    """Raise for each chart of ours that is not what its definition says; charts of others are not compared."""
    from kolla_k8s.cli.definitions import load_catalog  # noqa: PLC0415
    from kolla_k8s.compile.write import MARK  # noqa: PLC0415
    from kolla_k8s.errors import UserFilesError  # noqa: PLC0415

    ours = [one.about for one in packages if MARK in one.about.get("annotations", {})]
    problems: list[Problem] = []
    for release in sorted({about["appVersion"] for about in ours}):
        catalog = load_catalog(definitions, release)
        names = sorted(about["name"] for about in ours if about["appVersion"] == release)
        found = [_difference(catalog, name, folder, definitions) for name in names]
        problems += [problem for problem in found if problem]
    if problems:
        raise UserFilesError(problems)


def _difference(catalog: Catalog, name: str, folder: Path, definitions: Path) -> Problem | None:
    from kolla_k8s.compile.render import render_chart  # noqa: PLC0415
    from kolla_k8s.compile.write import differences  # noqa: PLC0415
    from kolla_k8s.errors import Problem  # noqa: PLC0415

    if name not in catalog.services:
        fact = f'no definition in {definitions} is called "{name}"'
        return Problem(f"{folder}/{name}", "", fact, "name their folder with --definitions")
    different = differences(folder, [render_chart(catalog, name).files], [name])
    if not different:
        return None
    more = f", {len(different) - 1} more files of this chart too" if different[1:] else ""
    way_out = f"run `kolla-k8s gen-charts --release {catalog.release} --definitions {definitions} --output {folder}`"
    return Problem(f"{folder}/{different[0]}", "", f"differs from its definition{more}", way_out)


def _helm(executable: str, *, is_plain: bool) -> Callable[[Sequence[str]], Awaitable[str]]:
    from kolla_k8s.adapters.helm import HelmProgram, Runner, default_home  # noqa: PLC0415

    program = HelmProgram(Runner(executable, None, None, default_home()))

    async def run(arguments: Sequence[str]) -> str:
        return await program.run([*arguments, *(["--plain-http"] if is_plain else [])])

    return run
