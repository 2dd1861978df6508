"""What an operator may change of a chart: ``values.yaml`` with a comment for each key, and its schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kolla_k8s.compile.pod import requests_and_limits
from kolla_k8s.model.catalog import Catalog, clustered
from kolla_k8s.model.exposed import exposed_ports
from kolla_k8s.model.service import Format, Option, Service
from kolla_k8s.model.workload import Kind, Volume, Workload

Json = dict[str, Any]
Commented = dict[str, tuple[str, Any]]

GLOBAL: Commented = {
    "images": (
        "Where images come from: registry with its path, tag, pull policy, names of pull Secrets.",
        {
            "registry": "quay.io/openstack.kolla",
            "tag": "",
            "pullPolicy": "IfNotPresent",
            "pullSecrets": [],
        },
    ),
    "storage": ("StorageClass of every claim; empty is the cluster's default.", {"class": ""}),
    "region": ("Name of the OpenStack region.", "RegionOne"),
    "namespaces": (
        "Namespaces of the control plane and of the node plane.",
        {"control": "openstack", "node": "openstack-node"},
    ),
    "members": ("How many members clustered services have, for clients that list each one.", {}),
    "networkPolicy": ("Whether NetworkPolicies are made.", True),
    "nodeCidrs": ("Addresses of nodes: pods on the host's network match no other rule.", []),
    "apiServer": (
        "Where the Kubernetes API answers, after address translation; no CIDR is anywhere.",
        {"cidrs": [], "ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]},
    ),
    "expose": (
        "How clients outside reach the cloud: mode none, gateway, loadBalancer or nodePort; see docs/operate.md.",
        {
            "mode": "none",
            "domain": "",
            "scheme": "",
            "port": 0,
            "gateway": {},
            "tls": {},
            "class": "",
            "annotations": {},
            "services": {},
        },
    ),
    "logs": ("How records are written where the software has a choice: format text or json.", {"format": "text"}),
    "metrics": (
        "Whether a PodMonitor says where figures are, and labels of the namespaces that may read them; none: nobody.",
        {"monitors": False, "from": {}},
    ),
    "priorityClass": ("PriorityClass of every pod; empty is the cluster's default.", ""),
    "nodeSelector": ("Labels of nodes that Jobs run on.", {}),
    "tolerations": ("Taints that Jobs tolerate.", []),
}


def chart_values(catalog: Catalog, service: Service) -> dict[str, Commented]:
    """Sections of values.yaml: section -> key -> (comment, default)."""
    spec = service.spec
    members = {
        called: catalog[name].spec.workloads[workload].replicas
        for name in [*catalog.needs(service.name), service.name]
        for called, workload in clustered(catalog[name]).items()
    }
    sections: dict[str, Commented] = {
        "global": {
            **GLOBAL,
            "images": (GLOBAL["images"][0], {**GLOBAL["images"][1], "tag": f"{catalog.release}-debian-trixie"}),
            "members": (GLOBAL["members"][0], dict(sorted(members.items()))),
        },
        "images": {
            image: (f'Whole name of the image "{image}"; empty: as in global.images.', "") for image in images(service)
        },
        "workloads": {name: (_about(name, workload), _knobs(workload)) for name, workload in spec.workloads.items()},
    }
    if spec.expose:
        sections["expose"] = {
            e.name: (
                f'Port {e.port} for clients outside; empty: host "{e.label}.<domain>", nodePort {e.node_port}.',
                {"enabled": e.is_public, "host": "", "nodePort": 0},
            )
            for e in exposed_ports(service)
        }
    if storage := _claims(service):
        sections["storage"] = {
            name: (f"Claim mounted at {volume.path}.", {"size": volume.persistent.size, "class": ""})
            for name, volume in storage.items()
            if volume.persistent
        }
    if spec.options:
        sections["options"] = {name: (option.help, option.default) for name, option in spec.options.items()}
    if spec.external:
        sections["external"] = {
            name: (f"Where it answers, for NetworkPolicies; none is anywhere. Used: {external.help}.", {"cidrs": []})
            for name, external in spec.external.items()
        }
    if spec.config:
        sections["config"] = {
            name: (f"{file.path}: laid over defaults and variants; null deletes an option.", _nothing(file.format))
            for name, file in spec.config.items()
        }
        sections["defaults"] = {
            name: (f"What {file.path} says unless config says otherwise.", file.content)
            for name, file in spec.config.items()
        }
        if variants := _variants(service):
            sections["variants"] = variants
    if spec.periodic:
        sections["periodic"] = {
            name: ("When the task runs, in cron's five fields.", {"schedule": task.schedule})
            for name, task in spec.periodic.items()
        }
    return sections


def _nothing(file_format: Format) -> Any:
    return "" if file_format is Format.RAW else {}


def _variants(service: Service) -> Commented:
    """By file, for variants of several may be called alike."""
    return {
        file: (
            f"Laid over {file} when options have these values.",
            {name: {"when": each.when, "content": each.content} for name, each in details.variants.items()},
        )
        for file, details in service.spec.config.items()
        if details.variants
    }


def images(service: Service) -> list[str]:
    """Every image the chart's pods use, by Kolla's name, each once."""
    spec = service.spec
    found = [image for w in spec.workloads.values() for image in (w.image, *(c.image for c in w.containers.values()))]
    found += [p.image for w in spec.workloads.values() for p in w.prepare.values() if p.image]
    found += [spec.bootstrap.image] if spec.bootstrap else []
    found += [task.image for task in spec.periodic.values()]
    return sorted(set(found))


def keeps_apart(workload: Workload) -> bool:
    """Whether a node may be forbidden to hold two replicas: losing it would then cost the majority."""
    return workload.spread == "OneANode"


def _about(name: str, workload: Workload) -> str:
    return f"{workload.kind} {name}: replicas, resources, placement."


def _knobs(workload: Workload) -> Json:
    knobs: Json = {
        "replicas": workload.replicas,
        "resources": requests_and_limits(workload.resources),
        "nodeSelector": dict(workload.node_selector),
        "tolerations": [],
        "podAnnotations": {},
        "spread": workload.spread,
    }
    if workload.kind is Kind.DAEMON_SET:
        del knobs["replicas"], knobs["spread"]
    return knobs


def _claims(service: Service) -> dict[str, Volume]:
    return {
        name: volume
        for workload in service.spec.workloads.values()
        for name, volume in workload.volumes.items()
        if volume.persistent
    }


def defaults(catalog: Catalog, service: Service) -> Json:
    """The values as plain data."""
    sections = chart_values(catalog, service)
    return {section: {key: value for key, (_, value) in keys.items()} for section, keys in sections.items()}


def values_schema(catalog: Catalog, service: Service) -> Json:
    """JSON Schema (draft-07, as Helm's documents) of the values, closed everywhere but in ``global``, map for map."""
    sections = defaults(catalog, service)
    properties: Json = {"global": _global_schema()}
    properties["images"] = _closed({name: {"type": "string"} for name in sections["images"]})
    workloads = {name: _workload_schema(workload) for name, workload in service.spec.workloads.items()}
    properties["workloads"] = _each_once("workloads", workloads)
    if "expose" in sections:
        properties["expose"] = _each_once("expose", dict.fromkeys(sections["expose"], _expose_schema()))
    if "storage" in sections:
        claim = _closed({"size": _quantity(), "class": {"type": "string"}})
        properties["storage"] = _closed(dict.fromkeys(sections["storage"], claim))
    if "options" in sections:
        options = {name: _option_schema(option) for name, option in service.spec.options.items()}
        properties["options"] = _closed(options) | _rules(service.spec.options)
    if "external" in sections:
        cidrs = {"type": "array", "items": {"type": "string", "pattern": r"^[0-9a-fA-F:.]+/[0-9]{1,3}$"}}
        properties["external"] = _closed(dict.fromkeys(sections["external"], _closed({"cidrs": cidrs})))
    if "config" in sections:
        files = {name: _file_schema(file.format) for name, file in service.spec.config.items()}
        properties |= {"config": _each_once("config", files), "defaults": {"$ref": "#/properties/config"}}
    if "variants" in sections:
        having = {name: file.variants for name, file in service.spec.config.items() if file.variants}
        properties["variants"] = _closed({name: _variants_schema(name, names) for name, names in having.items()})
    if "periodic" in sections:
        task = _closed({"schedule": {"type": "string", "pattern": r"^(\S+\s+){4}\S+$"}})
        properties["periodic"] = _closed(dict.fromkeys(sections["periodic"], task))
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Values of the chart {service.name}",
        **_closed(properties),
        **_alone(service),
    }


def _option_schema(option: Option) -> Json:
    """One of the choices, or else a value of the kind that its default is of."""
    if option.one_of:
        return {"enum": option.one_of}
    match option.default:
        case bool() | str():
            return {"type": ["string", "number", "boolean"]}
        case int():
            return {"type": "integer"}
        case _:
            return {}


def _variants_schema(file: str, names: Iterable[str]) -> Json:
    one = _closed({"when": {"type": "object"}, "content": {"$ref": f"#/properties/config/properties/{file}"}})
    return _closed(dict.fromkeys(names, one))


def _alone(service: Service) -> Json:
    """What refuses a second replica where the options are such that replicas would share nothing."""
    rules = []
    for name, workload in service.spec.workloads.items():
        if workload.alone:
            said = {option: {"const": value} for option, value in workload.alone.items()}
            others = [
                option for option, value in workload.alone.items() if service.spec.options[option].default != value
            ]
            why = ", ".join(f"{option}: {value}" for option, value in workload.alone.items())
            most = {"maximum": 1, "description": f"with {why} replicas share nothing"}
            then = _at("workloads", _at(name, _at("replicas", most)))
            rules.append({"if": _at("options", {"properties": said, "required": others}), "then": then})
    return {"allOf": rules} if rules else {}


def _at(key: str, schema: Json) -> Json:
    return {"properties": {key: schema}}


def _rules(options: Mapping[str, Option]) -> Json:
    """What must be said beside what; what a site leaves unsaid has its default, in its file and in the chart alike."""
    rules = []
    for name, option in options.items():
        for choice, needs in option.needs.items():
            unsaid = [] if str(option.default) == choice else [name]
            chosen = {"properties": {name: {"enum": [c for c in option.one_of if str(c) == choice]}}}
            rules += [
                {"if": {**chosen, "required": unsaid}, "then": _rule(f"{name}: {choice}", need, wanted, options[need])}
                for need, wanted in needs.items()
            ]
    return {"allOf": rules} if rules else {}


def _rule(chosen: str, need: str, wanted: Any, option: Option) -> Json:
    is_open = wanted == "*"
    title = f"{chosen} needs {need}" + ("" if is_open else f": {wanted}")
    value = {"not": {"const": option.default}} if is_open else {"const": wanted}
    unsaid = [] if option.default == wanted else [need]
    return {"title": title, "properties": {need: {"title": title, **value}}, "required": unsaid}


def _global_schema() -> Json:
    """Open, as every chart has its own; but a mode that no template knows would silently be none."""
    mode = {"enum": ["none", "gateway", "loadBalancer", "nodePort"]}
    scheme = {"enum": ["", "http", "https"]}
    expose = {"type": "object", "properties": {"mode": mode, "scheme": scheme}}
    logs = {"type": "object", "properties": {"format": {"enum": ["text", "json"]}}}
    about = "Values that every chart shares."
    return {"type": "object", "description": about, "properties": {"expose": expose, "logs": logs}}


def _expose_schema() -> Json:
    return _closed(
        {
            "enabled": {"type": "boolean"},
            "host": {
                "type": "string",
                "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$",
            },
            "nodePort": {"type": "integer", "minimum": 0, "maximum": 65535},
        }
    )


def _closed(properties: Json) -> Json:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _each_once(name: str, schemas: Json) -> Json:
    """Closed, at the top; what is like one before it refers to it, for helm compiles a schema at each of its runs."""
    refs: dict[str, Json] = {}
    each: Json = {}
    for key, schema in schemas.items():
        text = json.dumps(schema)
        ref = {"$ref": f"#/properties/{name}/properties/{key}"}
        each[key] = refs.get(text, schema)
        if len(text) > len(json.dumps(ref)):
            refs.setdefault(text, ref)
    return _closed(each)


def _quantity() -> Json:
    return {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"}


def _workload_schema(workload: Workload) -> Json:
    amounts = {"type": "object", "additionalProperties": _quantity()}
    strings = {"type": "object", "additionalProperties": {"type": "string"}}
    properties: Json = {
        "replicas": {"type": "integer", "minimum": 1},
        "resources": _closed({"requests": amounts, "limits": amounts}),
        "nodeSelector": strings,
        "tolerations": {"type": "array", "items": {"type": "object"}},
        "podAnnotations": strings,
        "spread": {"enum": ["ScheduleAnyway", "DoNotSchedule", *(["OneANode"] if keeps_apart(workload) else [])]},
    }
    if workload.peers and workload.peers.odd:
        properties["replicas"]["not"] = {"multipleOf": 2}
    if workload.kind is Kind.DAEMON_SET:
        del properties["replicas"], properties["spread"]
    return _closed(properties)


def _file_schema(file_format: Format) -> Json:
    scalar: Json = {"type": ["string", "number", "boolean", "null"]}
    option = {"anyOf": [scalar, {"type": "array", "items": scalar}]}
    match file_format:
        case Format.INI | Format.MY_CNF | Format.PYMYSQL | Format.UWSGI:
            section = {"type": ["object", "null"], "additionalProperties": option}
            return {"type": "object", "additionalProperties": section}
        case Format.SYSCTL:
            return {"type": "object", "additionalProperties": scalar}
        case Format.RAW:
            return {"type": "string"}
        case _:
            return {}
