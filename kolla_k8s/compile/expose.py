"""The way in for clients outside the cluster: routes to a Gateway, or a second Service, as the site's mode says.

Every object exists only in the modes that have it, so a chart without a way in is the same chart as ever. What is let
in stands in a policy of its own: policies add up.
"""

from __future__ import annotations

from typing import Any

from kolla_k8s.compile.emit import Block, Go, structure
from kolla_k8s.compile.members import chosen
from kolla_k8s.compile.objects import both, metadata, network_policy, selector, switch
from kolla_k8s.model.exposed import HTTP, Exposed, exposed_ports
from kolla_k8s.model.service import Service

Objects = dict[str, tuple[dict[str, Any], str]]
MODE = ".Values.global.expose.mode"
GROUP = "gateway.networking.k8s.io/v1"


def expose_objects(service: Service) -> Objects:
    """Template file name -> object and the Go condition under which it exists."""
    found: Objects = {}
    for exposed in exposed_ports(service):
        workload = service.spec.workloads[exposed.workload]
        is_on = f'(index .Values.expose "{exposed.name}").enabled'
        made = {"service": (_service(service, exposed), f'has {MODE} (list "loadBalancer" "nodePort")')}
        modes = f'ne {MODE} "none"'
        if exposed.protocol in HTTP:
            made["httproute"] = (_route(service, exposed), f'eq {MODE} "gateway"')
            made["listenerset"] = (_listeners(service, exposed), f'and (eq {MODE} "gateway") .Values.global.expose.tls')
        else:
            modes = f'has {MODE} (list "loadBalancer" "nodePort")'
        if workload.has_own_network:
            policy, always = _policy(service, exposed)
            made["networkpolicy"] = (policy, both(always, modes))
        for kind, (item, when) in made.items():
            found[f"{exposed.name}-public-{kind}"] = (item, both(switch(workload.when), f"and {is_on} ({when})"))
    return found


def _asked(exposed: Exposed, more: str = "") -> str:
    """Go expression of a helper's arguments: the root and what is known of the port."""
    return f'(dict "root" $ "of" {_go(exposed.facts)}{more})'


def _go(value: Any) -> str:
    """A value as a Go expression.

    >>> _go({"a": 1, "b": "c"})
    '(dict "a" 1 "b" "c")'
    """
    match value:
        case dict():
            return "(dict " + " ".join(f'"{key}" {_go(item)}' for key, item in value.items()) + ")"
        case Go():
            return value.removeprefix("{{ ").removesuffix(" }}").removesuffix(" | quote")
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case _:
            return f'"{value}"'


def _about(
    service: Service, exposed: Exposed, annotations: str = ".Values.global.expose.annotations"
) -> dict[str, Any]:
    about = metadata(service, f"{exposed.label}-public", exposed.workload)
    return {**about, "annotations": structure(f"({annotations})")}


def _service(service: Service, exposed: Exposed) -> dict[str, Any]:
    selecting = {**selector(service, exposed.workload), **chosen(service.spec.workloads[exposed.workload])}
    transport = "UDP" if exposed.protocol == "udp" else "TCP"
    more = f' "portName" "{exposed.port_name}" "transport" "{transport}" "selector" {_go(selecting)}'
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _about(service, exposed),
        "spec": Block(f'include "@@.publicService" {_asked(exposed, more)}'),
    }


def _host(exposed: Exposed) -> Go:
    return Go(f'{{{{ (include "@@.public" {_asked(exposed)} | fromJson).host | quote }}}}')


def _route(service: Service, exposed: Exposed) -> dict[str, Any]:
    """Route of a host name; without a timeout, because images and consoles take as long as they take."""
    backend = {"name": exposed.host, "port": exposed.port}
    return {
        "apiVersion": GROUP,
        "kind": "HTTPRoute",
        "metadata": _about(service, exposed),
        "spec": {
            "parentRefs": structure(f'(list (include "@@.publicParent" {_asked(exposed)} | fromYaml))'),
            "hostnames": [_host(exposed)],
            "rules": [{"backendRefs": [backend], "timeouts": {"request": "0s"}}],
        },
    }


def _listeners(service: Service, exposed: Exposed) -> dict[str, Any]:
    """Listeners of our own on the site's Gateway, so that the certificate is ours."""
    tls = ".Values.global.expose.tls"
    issuer = f'(ternary (dict "cert-manager.io/cluster-issuer" {tls}.issuer) dict (hasKey {tls} "issuer"))'
    return {
        "apiVersion": GROUP,
        "kind": "ListenerSet",
        "metadata": _about(service, exposed, f"merge {issuer} .Values.global.expose.annotations"),
        "spec": {
            "parentRef": Block('include "@@.publicParent" (dict "root" $)'),
            "listeners": [
                {
                    "name": exposed.name,
                    "hostname": _host(exposed),
                    "port": Go(f'{{{{ (include "@@.public" {_asked(exposed)} | fromJson).port }}}}'),
                    "protocol": "HTTPS",
                    "tls": {
                        "mode": "Terminate",
                        "certificateRefs": [
                            {"name": Go(f'{{{{ {tls}.secret | default "{exposed.label}-public-tls" | quote }}}}')}
                        ],
                    },
                }
            ],
        },
    }


def _policy(service: Service, exposed: Exposed) -> tuple[dict[str, Any], str]:
    transport = "UDP" if exposed.protocol == "udp" else "TCP"
    ports = [{"port": exposed.port, "protocol": transport}]
    spec = {
        "podSelector": {"matchLabels": selector(service, exposed.workload)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": Block('include "@@.visitors" $'), "ports": ports}],
    }
    return network_policy(metadata(service, f"{exposed.label}-public", exposed.workload), spec)
