"""What a site says of single nodes: checked against the charts, and packed for each service.

Entries are laid over each other in their order, the last word wins; an entry that a later file speaks of again keeps
its place. Which nodes have a label only a cluster knows: it comes in as data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kolla_k8s.errors import Problem, UserFilesError
from kolla_k8s.model.node_parts import MOST_BYTES, NodeParts, node_parts
from kolla_k8s.model.site import Match, Site
from kolla_k8s.site.merge import Layers
from kolla_k8s.site.problems import Charts, naming, place_of, schema_problems, unfilled, unknown_options
from kolla_k8s.suggest import did_you_mean
from kolla_k8s.yamlio import Keys, spell

Labels = Mapping[str, Mapping[str, str]]
"""Node -> its labels."""


def node_problems(layers: Layers, charts: Charts) -> Iterator[Problem]:
    """Give what a site says of nodes that no pod would ever hear of."""
    for name, entry in _maps(layers.data.get("nodes")):
        for service, said in _maps(entry.get("services")):
            path: Keys = ("nodes", name, "services", service)
            fault = _unfit(service, charts)
            if fault is not None:
                yield Problem(place_of(layers, path), spell(path), *fault)
                continue
            schema, here = charts.schemas[service], (*path, "config")
            if "config" not in schema.get("properties", {}):
                yield Problem(place_of(layers, path), spell(path), "has no configuration", "leave it out")
            elif isinstance(said.get("config"), dict):
                yield from schema_problems(layers, path, {"config": said["config"]}, schema)
                of_all = dict(_maps(layers.data.get("services"))).get(service)
                files = naming(charts.options.get(service, {}), of_all, said)
                yield from unknown_options(layers, here, said["config"], files)
                yield from unfilled(layers, here, said["config"], charts.filled[service])
            if isinstance(said.get("options"), dict):
                yield from _option_problems(layers, (*path, "options"), said["options"], charts)


def _option_problems(layers: Layers, path: Keys, options: Mapping[str, Any], charts: Charts) -> Iterator[Problem]:
    """Give options that a node cannot have of its own: unknown, deciding what the chart holds, or without a value."""
    service = str(path[-2])
    schema = charts.schemas[service].get("properties", {}).get("options", {"additionalProperties": False})
    yield from schema_problems(layers, path, options, schema)
    yield from unfilled(layers, path, options, frozenset())
    for option, value in options.items():
        here = (*path, option)
        if option not in charts.by_node.get(service, ()) and option in schema.get("properties", {}):
            fact = f'"{option}" decides what the chart holds, for all nodes alike'
            yield Problem(place_of(layers, here), spell(here), fact, f"say it in services.{service}.options")
        elif value is None:
            yield Problem(place_of(layers, here), spell(here), "null is no choice", "leave it out")


def parts_of(site: Site, services: Iterable[str], labels: Labels) -> dict[str, NodeParts]:
    """Pack what nodes have of their own, for each of these services.

    Raises:
        UserFilesError: When it is more than a ConfigMap holds.
    """
    having: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for node, some in labels.items():
        for pair in some.items():
            having[pair].add(node)
    wanted: dict[str, dict[str, list[Any]]] = {service: {} for service in services}
    for entry in site.nodes.values():
        for service in wanted.keys() & entry.services.keys():
            if part := entry.services[service].model_dump(exclude_defaults=True):
                for node in _matched(entry.match, having):
                    wanted[service].setdefault(node, []).append(part)
    found = {service: node_parts(service, nodes) for service, nodes in wanted.items()}
    problems = [_too_much(parts) for parts in found.values() if len(parts.content.encode()) > MOST_BYTES]
    if problems:
        raise UserFilesError(problems)
    return found


def _maps(item: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Entries of a map that are maps themselves: what else there is the model refuses."""
    for key, value in item.items() if isinstance(item, Mapping) else ():
        if isinstance(value, Mapping):
            yield key, value


def _unfit(service: str, charts: Charts) -> tuple[str, str] | None:
    """Why nodes can have nothing of their own of a service, and the way out; None when they can."""
    if service not in charts.schemas:
        return f'no service is called "{service}"', did_you_mean(service, charts.on_nodes)
    if service not in charts.on_nodes:
        way_out = f"say it for all pods in services.{service}.config"
        return f'"{service}" is on the control plane, whose pods belong to no node', way_out
    return None


def _matched(match: Match, having: Mapping[tuple[str, str], set[str]]) -> set[str]:
    if match.names is not None:
        return set(match.names)
    return set.intersection(*(having.get(pair, set()) for pair in (match.labels or {}).items()))


def _too_much(parts: NodeParts) -> Problem:
    fact = f"what they say of {parts.service} takes {len(parts.content.encode())} bytes, of {MOST_BYTES} possible"
    return Problem("site", "nodes", fact, "say once, by a label, what many nodes share")
