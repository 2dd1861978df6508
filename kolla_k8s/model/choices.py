"""What a site's options leave of definitions: needs, secrets, gates and variants whose ``when`` does not hold go.

Charts hold all of it and decide by their values; the orchestrator asks for what this site has alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from kolla_k8s.model.catalog import Catalog
from kolla_k8s.model.placeholders import arguments
from kolla_k8s.model.service import Gate, Option, Secret, Service, Variant

Said = Mapping[str, Any]
Block = TypeVar("Block", Gate, Secret, Variant)


def choose(catalog: Catalog, said: Mapping[str, Said]) -> Catalog:
    """The catalogue as a site chose; ``said`` is service -> option -> value, for those the site speaks of."""
    services = {name: _chosen(service, said.get(name, {})) for name, service in catalog.services.items()}
    return replace(catalog, services=services)


def holds(when: Said, options: Mapping[str, Option], said: Said) -> bool:
    """Whether every option has the value that ``when`` asks for; those a site says nothing of have their default."""
    values = {name: said.get(name, option.default) for name, option in options.items()}
    return all(str(values[name]) == str(wanted) for name, wanted in when.items())


def conditions(service: Service) -> Iterator[tuple[tuple[str, ...], Said]]:
    """Every ``when`` and ``alone`` of a definition, and where it stands."""
    spec = service.spec
    for name, workload in spec.workloads.items():
        yield ("spec", "workloads", name, "when"), workload.when
        yield ("spec", "workloads", name, "alone"), workload.alone
        for volume, about in workload.volumes.items():
            yield ("spec", "workloads", name, "volumes", volume, "when"), about.when
    for file, details in spec.config.items():
        for name, variant in details.variants.items():
            yield ("spec", "config", file, "variants", name, "when"), variant.when
    yield from ((("spec", "needs", "when", name), when) for name, when in spec.needs.when.items())
    yield from ((("spec", "secrets", name, "when"), secret.when) for name, secret in spec.secrets.items())
    yield from ((("spec", "external", name, "when"), external.when) for name, external in spec.external.items())
    steps = spec.bootstrap.steps if spec.bootstrap else {}
    yield from ((("spec", "bootstrap", "steps", name, "when"), step.when) for name, step in steps.items())
    yield from ((("spec", "gates", name, "when"), gate.when) for name, gate in spec.gates.items())


def options_of_nodes(service: Service) -> set[str]:
    """Options that single nodes may have of their own: only pods read them, and nothing of the chart follows."""
    files = service.spec.config.values()
    read = arguments([[file.content, [v.content for v in file.variants.values()]] for file in files], "option")
    deciding = {option for _, when in conditions(service) for option in when}
    deciding |= {workload.for_each for workload in service.spec.workloads.values() if workload.for_each}
    return set(read) - deciding


def _chosen(service: Service, said: Said) -> Service:
    spec = service.spec
    if not spec.options:
        return service

    def keep(blocks: Mapping[str, Block]) -> dict[str, Block]:
        return {name: block for name, block in blocks.items() if holds(block.when, spec.options, said)}

    conditions = spec.needs.when
    start = [need for need in spec.needs.start if holds(conditions.get(need, {}), spec.options, said)]
    config = {
        name: file.model_copy(update={"variants": keep(file.variants)}) if file.variants else file
        for name, file in spec.config.items()
    }
    update = {
        "needs": spec.needs.model_copy(update={"start": start}),
        "config": config,
        "secrets": keep(spec.secrets),
        "gates": keep(spec.gates),
    }
    return service.model_copy(update={"spec": spec.model_copy(update=update)})
