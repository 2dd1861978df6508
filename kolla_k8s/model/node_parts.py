"""What single nodes have of their own in a service's configuration, as the one ConfigMap that all its pods read.

Entries are said once, however many nodes use them, so that its size follows what differs and not the number of nodes.
A node's digest is of its entries in their order: two nodes with one digest render the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FILE = "nodes.json"
MOST_BYTES = 1_000_000
"""Kubernetes refuses a ConfigMap of more than 1 MiB, its metadata included."""


@dataclass(frozen=True, slots=True)
class NodeParts:
    """Configuration of single nodes for one service.

    Attributes:
        content: JSON that pods read; empty when no node has anything of its own.
        digests: Node -> digest of what is its own; a node that has nothing is not in it.
    """

    service: str
    content: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the ConfigMap."""
        return config_map_name(self.service)


def config_map_name(service: str) -> str:
    """Name of the ConfigMap that a service's pods read; the chart mounts it where it is there."""
    return f"{service}-nodes"


def node_parts(service: str, wanted: Mapping[str, Sequence[Any]]) -> NodeParts:
    """Pack what nodes have of their own.

    Args:
        service: Whose configuration it is.
        wanted: Node -> what is laid over its options and its files, the last word at the end.

    >>> node_parts("nova-compute", {"a": [{"config": {"nova.conf": {}}}]}).content
    '{"nodes":{"a":{"digest":"dbab9a3683","parts":[0]}},"parts":[{"config":{"nova.conf":{}}}]}'
    """
    numbers: dict[str, int] = {}
    nodes = {}
    for node, parts in sorted(wanted.items()):
        texts = [json.dumps(part, sort_keys=True, separators=(",", ":")) for part in parts]
        used = [numbers.setdefault(text, len(numbers)) for text in texts]
        digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:10]
        nodes[node] = {"digest": digest, "parts": used}
    if not nodes:
        return NodeParts(service)
    told = json.dumps(nodes, sort_keys=True, separators=(",", ":"))
    content = f'{{"nodes":{told},"parts":[{",".join(numbers)}]}}'
    return NodeParts(service, content, {node: str(one["digest"]) for node, one in nodes.items()})


def read_parts(service: str, content: str) -> NodeParts:
    """Give what a ConfigMap says; empty content says nothing."""
    told: Mapping[str, Any] = json.loads(content)["nodes"] if content else {}
    return NodeParts(service, content, {node: str(one["digest"]) for node, one in told.items()})
