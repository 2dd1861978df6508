"""Options that several commands share, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Services = Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Only these services.")]
Values = Annotated[
    list[Path] | None, typer.Option("--values", "-f", help="Site file; a later one is laid over the earlier ones.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="One value, as in --set services.keystone.enabled=false.")
]
Definitions = Annotated[Path | None, typer.Option(help="Folder of service definitions.")]
Charts = Annotated[str | None, typer.Option(help="Folder of charts, or oci://HOST/PATH.")]
Kubeconfig = Annotated[str | None, typer.Option(envvar="KUBECONFIG", help="How to reach the cluster.")]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.")]
HelmPath = Annotated[str, typer.Option("--helm", help="The helm program.")]
Output = Annotated[Literal["auto", "text", "json"], typer.Option("--output", "-o", help="How to report.")]


def seconds(value: float) -> float:
    """Refuse what is no time to wait: it would end at once, or never."""
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"{value:g} is no time to wait; write seconds, such as 600")
    return value
