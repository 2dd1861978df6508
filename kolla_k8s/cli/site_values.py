"""``kolla-k8s values explain|render``."""

from __future__ import annotations

from typing import Annotated

import typer

from kolla_k8s.cli.options import Definitions, Sets, Values

app = typer.Typer(help="Values: what a chart gets, and who said it.", no_args_is_help=True)


@app.command()
def explain(
    path: Annotated[str, typer.Argument(help="Such as services.keystone.workloads.api.replicas.")],
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
) -> None:
    """Say where a value comes from and who overrode whom, the last word first.

    Example: kolla-k8s values explain services.keystone.workloads.api.replicas --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source, load_cloud  # noqa: PLC0415
    from kolla_k8s.site.explain import explained  # noqa: PLC0415

    cloud = load_cloud(Source(values or (), sets or (), definitions))
    for line in explained(path, cloud.site, cloud.catalog):
        typer.echo(line)


@app.command()
def render(
    service: Annotated[str, typer.Argument(help="The service whose values are printed.")],
    *,
    values: Values = None,
    sets: Sets = None,
    definitions: Definitions = None,
) -> None:
    """Print the values a chart gets from the site, as `helm -f` takes them.

    Example: kolla-k8s values render keystone --values site.yaml
    """
    from kolla_k8s.cli.cloud import Source, load_cloud  # noqa: PLC0415
    from kolla_k8s.site.values import chart_values  # noqa: PLC0415
    from kolla_k8s.yamlio import dump  # noqa: PLC0415

    cloud = load_cloud(Source(values or (), sets or (), definitions), [service])
    typer.echo(dump(chart_values(cloud.site, cloud.catalog, service)), nl=False)
