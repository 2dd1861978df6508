"""Make a chart of a service: every file of it, as text, in memory.

Pure: the same catalogue gives the same bytes, whatever the order of files, the locale or the hash seed. Objects are
written by ``emit``; the few documents around them by Jinja2 with delimiters of its own, so that Go's braces stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from kolla_k8s.compile.digest import chart_digest
from kolla_k8s.compile.emit import emit
from kolla_k8s.compile.expose import expose_objects
from kolla_k8s.compile.helmtest import test_objects
from kolla_k8s.compile.jobs import (
    Objects,
    bootstrap_labels,
    bootstrap_objects,
    bootstrap_pod,
    periodic_objects,
)
from kolla_k8s.compile.members import has_agents
from kolla_k8s.compile.network import default_policy, external_objects, goes_outside
from kolla_k8s.compile.objects import programs_map
from kolla_k8s.compile.podfile import bootstrap_podfile, file_owner, periodic_podfile, workload_podfile
from kolla_k8s.compile.rights import rights_objects
from kolla_k8s.compile.values import chart_values, images, values_schema
from kolla_k8s.compile.workload import workload_objects
from kolla_k8s.model.catalog import Catalog, derived_secrets, is_control, secret_ref
from kolla_k8s.model.placeholders import OF_MEMBERS, arguments
from kolla_k8s.model.service import SecretKind, Service
from kolla_k8s.yamlio import dump

EACH_FILES = (
    "configmap",
    "deployment",
    "statefulset",
    "daemonset",
    "service",
    "peers-service",
    "poddisruptionbudget",
    "networkpolicy",
    "metrics-networkpolicy",
    "podmonitor",
)
API_VERSIONS = ">=1.30.0-0"


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart in memory: relative path -> text."""

    name: str
    version: str
    files: Mapping[str, str]


def render_chart(catalog: Catalog, name: str) -> Chart:
    """Render the chart of one service."""
    service = catalog[name]
    podfiles = _podfiles(catalog, service)
    programs = {program: _program(program) for program in _programs(service, has_pods=bool(podfiles))}
    items = _items(catalog, service)
    if programs:
        items["programs-configmap"] = (programs_map(service, programs), "")
    pod = bootstrap_pod(catalog, service) if service.spec.bootstrap else None
    about = _about(catalog, service, [pod, [item for item, _ in items.values()]])
    files = {
        ".helmignore": "# Python compiles what it installs.\n__pycache__/\n",
        "README.md": _document("README.md.j2", about),
        "templates/NOTES.txt": _document("NOTES.txt.j2", about),
        "templates/_helpers.tpl": _helpers(catalog, service, pod, _programs_name(service, programs)),
        "values.yaml": _values(catalog, service),
        "values.schema.json": _json(values_schema(catalog, service)),
        **{f"files/{key}.json": _json(told) for key, told in podfiles.items()},
        **{f"files/{program}": text for program, text in programs.items()},
        **_objects(catalog, service, items),
    }
    files = {path: text.replace("@@.", f"{name}.") for path, text in sorted(files.items())}
    version = f"{catalog.release}.{service.metadata.revision}"
    return Chart(name, version, {"Chart.yaml": _chart(service, version, catalog.release, files), **files})


def _chart(service: Service, version: str, release: str, files: Mapping[str, str]) -> str:
    about = {
        "apiVersion": "v2",
        "name": service.name,
        "version": version,
        "appVersion": release,
        "kubeVersion": API_VERSIONS,
        "type": "application",
        "description": service.metadata.description or service.metadata.title,
        "keywords": ["openstack", "kolla", service.name],
        "maintainers": [{"name": "kolla-k8s"}],
        "annotations": {
            "artifacthub.io/license": "Apache-2.0",
            "kolla-k8s.io/digest": chart_digest(files),
            "kolla-k8s.io/images": ",".join(images(service)),
            "kolla-k8s.io/needs": ",".join(service.spec.needs.start),
        },
    }
    return dump(about)


def _items(catalog: Catalog, service: Service) -> Objects:
    """Template file name -> object and condition."""
    found = {**bootstrap_objects(service), **rights_objects(service)}
    found |= default_policy(catalog, service) | external_objects(service)
    for name in service.spec.workloads:
        found |= workload_objects(catalog, service, name)
    found |= expose_objects(service)
    for name in service.spec.periodic:
        found |= periodic_objects(catalog, service, name)
    return found


def _objects(catalog: Catalog, service: Service, items: Objects) -> dict[str, str]:
    each = {
        f"{name}-{ending}": f'index .Values.options "{workload.for_each}"'
        for name, workload in service.spec.workloads.items()
        for ending in EACH_FILES
        if workload.for_each
    }
    each |= {
        f"{name}-member-service": f'until (int (index .Values.workloads "{name}").replicas)'
        for name in service.spec.workloads
    }
    objects = {
        f"templates/{file}.yaml": emit(item, when=when, each=each.get(file, "")) for file, (item, when) in items.items()
    }
    tests = test_objects(catalog, service)
    return objects | {f"templates/tests/{file}.yaml": emit(item) for file, item in tests.items()}


def _podfiles(catalog: Catalog, service: Service) -> dict[str, dict[str, Any]]:
    """Pods that have a file, and its static part."""
    workloads = {name: w for name, w in service.spec.workloads.items() if file_owner(service, name) == name}
    pods = {name: workload_podfile(catalog, service, w) for name, w in workloads.items()}
    if service.spec.bootstrap:
        pods["bootstrap"] = bootstrap_podfile(catalog, service)
    pods |= {name: periodic_podfile(catalog, service, task) for name, task in service.spec.periodic.items()}
    return {name: pod for name, pod in pods.items() if pod}


def _programs(service: Service, *, has_pods: bool) -> list[str]:
    """Programs that pods of this service run, beside those of their images."""
    programs = {"formats.py", "init.py"} if has_pods else set()
    programs |= {program for w in service.spec.workloads.values() for program in w.programs}
    programs |= {"bootstrap.py"} if service.spec.bootstrap else set()
    programs |= {"rotate.py"} if any(task.rotate for task in service.spec.periodic.values()) else set()
    return sorted(programs)


def _values(catalog: Catalog, service: Service) -> str:
    lines = [f"# Values of the chart {service.name}. Maps merge, lists are replaced, null deletes."]
    for section, keys in chart_values(catalog, service).items():
        lines += ["", f"{section}:"]
        for key, (comment, value) in keys.items():
            lines.append(f"  # {comment}")
            lines += [f"  {line}" if line else "" for line in dump({key: value}).splitlines()]
    return "\n".join(lines) + "\n"


def _programs_name(service: Service, programs: Mapping[str, str]) -> str:
    digest = hashlib.sha256("".join(programs.values()).encode()).hexdigest()
    return f"{service.name}-programs-{digest[:10]}" if programs else ""


def _helpers(catalog: Catalog, service: Service, pod: dict[str, Any] | None, programs_name: str) -> str:
    is_ours = is_control(service)
    about: dict[str, Any] = {
        "name": service.name,
        "plane": service.spec.plane.value,
        "other_plane": "node" if is_ours else "control",
        "has_claims": any(v.persistent for w in service.spec.workloads.values() for v in w.volumes.values()),
        "programs_name": programs_name,
        "uses_api": bool(service.spec.bootstrap or service.spec.periodic or has_agents(service)),
        "of_members": "|".join(OF_MEMBERS),
        "waits_by_option": bool(service.spec.needs.when),
        "uses_options": bool(arguments(_texts(service), "option")) or _chooses_steps(service),
        "goes_outside": goes_outside(catalog, service),
        "bootstrap_pod": "",
        "exposes": bool(service.spec.expose),
        "says_json_logs": any(file.json_logs for file in service.spec.config.values()),
    }
    if pod:
        about["bootstrap_pod"] = emit(pod)
        about["bootstrap_labels"] = emit(bootstrap_labels(catalog, service))
    return _document("_helpers.tpl.j2", about)


def _chooses_steps(service: Service) -> bool:
    return service.spec.bootstrap is not None and any(step.when for step in service.spec.bootstrap.steps.values())


def _texts(service: Service) -> list[Any]:
    files = service.spec.config.values()
    steps = service.spec.bootstrap.steps.values() if service.spec.bootstrap else ()
    return [[file.content, [v.content for v in file.variants.values()]] for file in files] + [s.run for s in steps]


def _about(catalog: Catalog, service: Service, items: Any) -> dict[str, Any]:
    secrets: dict[str, list[str]] = {}
    for name in derived_secrets(service):
        ref = secret_ref(service, name)
        secrets.setdefault(ref.secret, []).append(_contents(service, name))
    own = set(secrets)
    for secret, key in sorted(set(_mounted(items))):
        if secret not in own:
            secrets.setdefault(secret, []).append(f"`{key}`")
    return {
        "name": service.name,
        "title": service.metadata.title,
        "description": service.metadata.description,
        "release": catalog.release,
        "namespace": "openstack" if is_control(service) else "openstack-node",
        "security": "restricted" if is_control(service) else "privileged",
        "needs": service.spec.needs.start,
        "secrets": dict(sorted(secrets.items())),
    }


def _mounted(item: Any) -> Iterator[tuple[str, str]]:
    """Secret and key of every key that pods mount by name."""
    match item:
        case {"secret": {"name": name, "items": keys}}:
            yield from ((name, entry["key"]) for entry in keys)
        case dict() | list():
            for part in item.values() if isinstance(item, dict) else item:
                yield from _mounted(part)


def _contents(service: Service, secret: str) -> str:
    """What a chart's README says that an operator finds, or puts, in a Secret."""
    declared = service.spec.secrets.get(secret)
    if declared and declared.kind is SecretKind.KEYRING:
        found = declared.help
    else:
        found = f"`{secret_ref(service, secret).key or '0, 1, ...'}`"
    when = ", ".join(f"{option}: {value}" for option, value in declared.when.items()) if declared else ""
    return f"{found} (with {when})" if when else found


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


@cache
def _program(name: str) -> str:
    return (resources.files("kolla_k8s.compile") / "files" / name).read_text()


@cache
def _environment() -> Environment:
    def source(name: str) -> str:
        return (resources.files("kolla_k8s.compile") / "templates" / name).read_text()

    return Environment(
        loader=FunctionLoader(source),
        undefined=StrictUndefined,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=False,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - charts and Markdown, not HTML
    )


def _document(template: str, about: dict[str, Any]) -> str:
    text: str = _environment().get_template(template).render(about)
    return text
