"""``kolla-k8s graph``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kolla_k8s.cli.options import Definitions, Services, Sets, Values


def graph(
    services: Services = None,
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
    output: Annotated[Literal["text", "dot", "svg"], typer.Option("--format", help="How to draw it.")] = "text",
) -> None:
    """Draw what must work before each service starts: of a site, or of all definitions.

    Example: kolla-k8s graph nova --values site.yaml --format svg > nova.svg
    """
    from kolla_k8s.cli.cloud import Source, load_cloud  # noqa: PLC0415
    from kolla_k8s.cli.definitions import load_catalog, require_known  # noqa: PLC0415
    from kolla_k8s.orchestrate.graph import as_dot, as_svg, as_text, graph_of  # noqa: PLC0415

    if values or sets:
        cloud = load_cloud(Source(values or (), sets or (), definitions), services or ())
        catalog, names = cloud.catalog, set(cloud.wanted.values)
    else:
        catalog = load_catalog(definitions)
        require_known(services or (), catalog.services)
        names = set(catalog.services)
    chosen = catalog.with_needs(services or names, names)
    planes = {name: catalog[name].spec.plane.value for name in chosen}
    needs = {name: [need for need in catalog[name].spec.needs.start if need in chosen] for name in chosen}
    draw = {"text": as_text, "dot": as_dot, "svg": as_svg}[output]
    typer.echo(draw(graph_of(planes, needs)), nl=False)
