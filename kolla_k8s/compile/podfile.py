"""What a pod is told about itself: the JSON file beside ``init.py``, its static part.

The chart adds what only values know: contents of configuration files, members, region and namespaces. Each pod gets
only the hosts, addresses and files that it uses, so that a change elsewhere does not restart it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kolla_k8s.model.catalog import (
    Catalog,
    database_secret,
    endpoint,
    entry_workload,
    host_of,
    is_optional,
    messaging_secret,
    registers,
    secret_ref,
)
from kolla_k8s.model.exposed import exposed_ports, way_in
from kolla_k8s.model.placeholders import OF_HOSTS, by_word
from kolla_k8s.model.service import Periodic, Service
from kolla_k8s.model.workload import Workload

Named = Mapping[str, set[str]]


@dataclass(frozen=True, slots=True)
class Files:
    """Which configuration files a pod gets, and of each which sections (all where the list is empty)."""

    sections: dict[str, list[str]] = field(default_factory=dict)


def files_of(service: Service, user: Workload | Periodic) -> Files:
    """Files of a workload or a periodic command: those it names, or all."""
    names = list(service.spec.config) if user.config is None else user.config
    return Files({name: [] for name in names})


def workload_podfile(catalog: Catalog, service: Service, user: Workload | Periodic) -> dict[str, Any]:
    """Static part of the file of these pods; empty when they need nothing of ours."""
    if not has_podfile(service, user):
        return {}
    return {**_waits(catalog, service), **_common(catalog, service, files_of(service, user), None)}


def file_owner(service: Service, name: str) -> str:
    """Whose file a workload's pods read: that of the first workload which is told the same."""

    def told(user: Workload) -> tuple[Any, ...]:
        return has_podfile(service, user), set(files_of(service, user).sections), user.when

    user = service.spec.workloads[name]
    readers = (other for other, one in service.spec.workloads.items() if not one.for_each and told(one) == told(user))
    return name if user.for_each else next(readers)


def has_podfile(service: Service, user: Workload | Periodic) -> bool:
    """Whether these pods need something of ours: a file, a program, to wait, to rotate."""
    if isinstance(user, Periodic) and user.rotate:
        return True
    has_programs = isinstance(user, Workload) and bool(user.programs)
    return has_programs or bool(files_of(service, user).sections or service.spec.needs.start or service.spec.bootstrap)


def periodic_podfile(catalog: Catalog, service: Service, task: Periodic) -> dict[str, Any]:
    """Static part of the file of a periodic task's pods: a command's is a workload's, a rotation reads none."""
    if task.rotate:
        return {"service": service.name, "hosts": {}, "urls": {}, "files": {}}
    return workload_podfile(catalog, service, task)


def bootstrap_podfile(catalog: Catalog, service: Service) -> dict[str, Any]:
    """Static part of the file of the bootstrap Job: its steps and what the built-in steps create."""
    bootstrap = service.spec.bootstrap
    assert bootstrap is not None  # noqa: S101 - callers ask first
    told = {"run", "in_process", "outputs", "when"}
    steps = {n: step.model_dump(include=told, exclude_defaults=True) for n, step in bootstrap.steps.items()}
    built_in: dict[str, Any] = {"steps": {**_schema_steps(service), **steps}}
    if service.spec.databases:
        built_in["databases"] = _databases(service)
    if service.spec.messaging:
        built_in["messaging"] = _messaging(service)
    if registers(service):
        built_in["identity"] = _identity(service)
    extra = ["keystone"] if "identity" in built_in else []
    common = _common(catalog, service, Files(dict(bootstrap.config)), built_in, extra)
    return {"is_bootstrap": True, **_waits(catalog, service), **common, **built_in}


def _asked(service: Service) -> set[str]:
    """Options by which steps of the bootstrap are chosen."""
    steps = service.spec.bootstrap.steps.values() if service.spec.bootstrap else ()
    return {option for step in steps for option in step.when}


def _schema_steps(service: Service) -> dict[str, Any]:
    schema = service.spec.db_schema
    phases = {"schema-expand": schema.expand, "schema-migrate": schema.migrate, "schema-contract": schema.contract}
    return {
        name: {"run": run, **({"only_when_fresh": True} if name == "schema-contract" else {})}
        for name, run in phases.items()
        if run
    }


def _databases(service: Service) -> dict[str, Any]:
    return {
        name: {"user": database.user or name, "password": database_secret(service, name), "also": database.also}
        for name, database in service.spec.databases.items()
    }


def _messaging(service: Service) -> dict[str, Any]:
    return {
        name: {
            "vhosts": [user.vhost or service.name, *user.also],
            "password": messaging_secret(service, name),
        }
        for name, user in service.spec.messaging.items()
    }


def _identity(service: Service) -> dict[str, Any]:
    """What the bootstrap registers; words that few services use are left out by the others."""
    told = service.spec.identity.model_dump(exclude={"services": {"__all__": {"path", "port"}}})
    return {key: value for key, value in told.items() if value or key not in {"admin_roles", "domains"}}


def _waits(catalog: Catalog, service: Service) -> dict[str, Any]:
    """Needs to wait for, and of those that not every site has, under which options."""
    needs = service.spec.needs
    waits: dict[str, Any] = {"wait": [need for need in needs.start if host_of(catalog[need]) is not None]}
    return waits | ({"wait_when": needs.when} if needs.when else {})


def _common(
    catalog: Catalog, service: Service, files: Files, steps: Any, urls: list[str] | None = None
) -> dict[str, Any]:
    contents = [_used(service, name, sections) for name, sections in files.sections.items()]
    named = by_word([contents, steps])
    transports = _transports(catalog, service, named)
    options = named["option"] | (_asked(service) if steps is not None else set())
    return {
        "service": service.name,
        "hosts": _hosts(catalog, service, named),
        **({"transports": transports} if transports else {}),
        "urls": addresses(catalog, {*named["url"], *(urls or ()), *service.spec.identity.services}),
        **({"options": sorted(options)} if options else {}),
        "files": {
            name: {
                "format": service.spec.config[name].format.value,
                "mode": service.spec.config[name].mode,
                **({"sections": sections} if sections else {}),
                **({"json_logs": said} if (said := service.spec.config[name].json_logs) else {}),
            }
            for name, sections in files.sections.items()
        },
    }


def _used(service: Service, name: str, sections: list[str]) -> Any:
    content = service.spec.config[name].content
    variants = [variant.content for variant in service.spec.config[name].variants.values()]
    if sections and isinstance(content, dict):
        content = {section: content.get(section) for section in sections}
    return [content, variants]


def _hosts(catalog: Catalog, service: Service, named: Named) -> dict[str, Any]:
    wanted = {service.name, *service.spec.needs.start, *service.spec.needs.run}
    wanted |= {name for word in OF_HOSTS for name in named[word]}
    wanted |= {"rabbitmq"} if named["transport"] else set()
    found = {name: catalog.host(name) for name in sorted(wanted)}
    return {name: asdict(host) for name, host in found.items() if host}


def _transports(catalog: Catalog, service: Service, named: Named) -> dict[str, Any]:
    found = {name: catalog.messaging(name, service) for name in sorted(named["transport"])}
    return {
        name: {"user": login.user, "vhost": login.vhost, "password": f"{login.owner}/{login.secret}"}
        for name, login in found.items()
        if login
    }


def addresses(catalog: Catalog, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Addresses by what ``${url:...}`` calls them: entries of the catalogue, and ``service/key`` of exposed ports.

    ``expose`` in an address says how clients outside reach it; the chart makes the public address of it.
    """
    found: dict[str, dict[str, Any]] = {}
    for owner in catalog.services.values():
        entries = {name: entry for name, entry in owner.spec.identity.services.items() if name in wanted}
        for name, entry in entries.items():
            found[name] = dict(endpoint(owner, entry))
            if exposed_port := way_in(owner, entry_workload(owner, entry), entry.port):
                found[name]["expose"] = exposed_port.facts
        ports = exposed_ports(owner) if owner.name in {name.partition("/")[0] for name in wanted} else ()
        for exposed in ports:
            about = {"service": exposed.host, "of": owner.name, "port": exposed.port, "path": ""}
            found[f"{owner.name}/{exposed.name}"] = {**about, "expose": exposed.facts}
    return {name: found[name] for name in sorted(wanted) if name in found}


def secret_source(catalog: Catalog, pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Sources of a projected volume that shows exactly these keys as ``service/key``.

    Those that only some sites have may be missing.
    """
    by_secret: dict[tuple[str, bool], list[dict[str, str]]] = {}
    for owner, name in sorted(set(pairs)):
        ref = secret_ref(catalog[owner], name)
        items = by_secret.setdefault((ref.secret, is_optional(catalog[owner], name)), [])
        items.append({"key": ref.key or "0", "path": f"{owner}/{name}"})
    return [
        {"secret": {"name": secret, "items": items, **({"optional": True} if may_miss else {})}}
        for (secret, may_miss), items in by_secret.items()
    ]
