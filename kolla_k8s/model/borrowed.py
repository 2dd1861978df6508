"""Which secrets a service's pods name, and which of them lie in the other plane's namespace and so must be copied."""

from __future__ import annotations

from typing import Any

from kolla_k8s.model.catalog import Catalog, is_control
from kolla_k8s.model.placeholders import arguments
from kolla_k8s.model.service import Service

Pairs = list[tuple[str, str]]


def secrets_named(catalog: Catalog, service: Service, item: Any) -> Pairs:
    """``(service, secret)`` of every secret that a structure's placeholders name."""
    pairs = (argument.rpartition("/") for argument in arguments(item, "secret"))
    logins = (catalog.messaging(argument, service) for argument in arguments(item, "transport"))
    named = [(owner or service.name, name) for owner, _, name in pairs]
    return [*named, *((login.owner, login.secret) for login in logins if login)]


def borrowed_secrets(catalog: Catalog, name: str) -> Pairs:
    """``(service, secret)`` of what a service's pods name of services in the other plane, sorted."""
    service = catalog[name]
    texts = [[file.content, *(v.content for v in file.variants.values())] for file in service.spec.config.values()]
    steps = [step.run for step in service.spec.bootstrap.steps.values()] if service.spec.bootstrap else []
    pairs = secrets_named(catalog, service, [texts, steps])
    return sorted({pair for pair in pairs if is_control(catalog[pair[0]]) is not is_control(service)})
