"""Gather what a command works on: definitions, charts, the site and its values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kolla_k8s import places
from kolla_k8s.checked import load_checked
from kolla_k8s.cli.definitions import load_catalog, require_known
from kolla_k8s.compile.digest import chart_digest
from kolla_k8s.compile.values import values_schema
from kolla_k8s.errors import OutsideError, Problem, UserFilesError
from kolla_k8s.model.catalog import Catalog, is_control
from kolla_k8s.model.choices import choose, options_of_nodes
from kolla_k8s.model.helm_files import ChartFile
from kolla_k8s.model.placeholders import OF_MEMBERS, placeholders
from kolla_k8s.model.service import Service
from kolla_k8s.orchestrate.plan import Wanted
from kolla_k8s.site.load import LoadedSite, check_site, read_site
from kolla_k8s.site.problems import Charts
from kolla_k8s.site.values import chart_values


@dataclass(frozen=True, slots=True)
class Source:
    """Where a command's input comes from, as its options say."""

    values: Sequence[Path]
    sets: Sequence[str]
    definitions: Path | None = None
    charts: str | None = None


@dataclass(frozen=True, slots=True)
class Cloud:
    """A site and the catalogue it chooses from."""

    catalog: Catalog
    site: LoadedSite
    wanted: Wanted


def load_cloud(source: Source, services: Iterable[str] = ()) -> Cloud:
    """Load definitions, then the site against them; raises with all problems of each at once."""
    read = read_site(source.values, source.sets, places.data("values") / "presets")
    try:
        catalog = load_catalog(source.definitions, read.release, said=f"{read.place_of_release}: release")
    except UserFilesError as error:
        raise UserFilesError([*read.problems, *error.problems]) from None
    known = Charts(
        schemas={name: values_schema(catalog, service) for name, service in catalog.services.items()},
        options={name: catalog.known_options(name) for name in catalog.services},
        filled={name: filled_in(service) for name, service in catalog.services.items()},
        on_nodes={name for name, service in catalog.services.items() if not is_control(service)},
        by_node={name: options_of_nodes(service) for name, service in catalog.services.items()},
    )
    site = check_site(read, known)
    require_known(services, catalog.services)
    catalog = choose(catalog, {name: site.values(name).get("options") or {} for name in catalog.services})
    chosen = site.wants(catalog)
    enabled = [name for name in catalog.services if name in chosen]
    wanted = Wanted(
        cloud=site.site.name,
        catalog=catalog,
        values={name: chart_values(site, catalog, name) for name in enabled},
        charts={name: _chart(source.charts, name, catalog) for name in catalog.services},
        namespaces={"control": site.site.namespaces.control, "node": site.site.namespaces.node},
        services=tuple(services),
    )
    return Cloud(catalog, site, wanted)


def require_enabled(cloud: Cloud, services: Iterable[str]) -> None:
    """Raise for services that are named and no part of the cloud: for them there would be nothing to do."""
    way_out = "enable it in the site file, or leave it out"
    problems = []
    for name in services:
        if name not in cloud.wanted.values:
            fact = f'"{name}" is named, and {"not asked for" if cloud.site.is_enabled(name) else "disabled"}'
            place = cloud.site.place_of_enabled(name)
            problems.append(Problem(place, f"services.{name}.enabled", fact, way_out))
    if problems:
        raise UserFilesError(problems)


def with_charts(cloud: Cloud) -> Cloud:
    """The same, when its charts have been read: what installs nothing needs none.

    Raises for charts that are not there, or of another release than the site; the tag of a registry says it by itself.
    """
    release = cloud.catalog.release
    charts = {name: cloud.wanted.charts[name] for name in cloud.wanted.values}
    for chart in charts.values():
        found = _release_of(chart) if isinstance(chart, Path) else release
        if found != release:
            fact = f'the site is of release "{release}", and {chart} of "{found}"'
            way_out = f"run `kolla-k8s gen-charts --release {release} --output DIR` and name DIR with --charts"
            raise UserFilesError([Problem(cloud.site.place_of_release, "release", fact, way_out)])
    digests = {name: _digest(chart) for name, chart in charts.items()}
    return replace(cloud, wanted=replace(cloud.wanted, chart_digests=digests))


def filled_in(service: Service) -> set[tuple[str, str]]:
    """Word and argument of every placeholder that pods of a service can fill in, for their files name it.

    How many members a service has only charts know: no node says anything of its own with those that list them.
    """
    files = service.spec.config.values()
    texts = [[file.content, [variant.content for variant in file.variants.values()]] for file in files]
    unknown = () if is_control(service) else OF_MEMBERS
    return {(found.word, found.argument) for found in placeholders(texts) if found.word not in unknown}


def _chart(charts: str | None, name: str, catalog: Catalog) -> Path | str:
    if charts and charts.startswith("oci://"):
        return f"{charts.rstrip('/')}/{name}:{catalog.release}.{catalog[name].metadata.revision}"
    return (Path(charts) if charts else places.data("charts")) / name


def _release_of(chart: Path) -> str:
    if not (chart / "Chart.yaml").is_file():
        raise OutsideError(str(chart), "holds no chart", "run `kolla-k8s gen-charts`, or name a folder with --charts")
    return str(load_checked(chart / "Chart.yaml", ChartFile).get("appVersion", ""))


def _digest(chart: Path | str) -> str:
    if isinstance(chart, str):
        return chart
    paths = (path for path in chart.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files = {str(path.relative_to(chart)): path for path in sorted(paths)}
    return chart_digest(
        {name: path.read_text(encoding="utf-8", errors="surrogateescape") for name, path in files.items()}
    )
