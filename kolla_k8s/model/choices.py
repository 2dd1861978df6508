"""What a site's options leave of definitions: needs, secrets, gates and variants whose ``when`` does not hold go.

Charts hold all of it and decide by their values; the orchestrator asks for what this site has alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from kolla_k8s.model.catalog import Catalog
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
