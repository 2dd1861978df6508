"""NetworkPolicies of Kubernetes as one nftables table on the pod bridge.

Pure: objects in, text out. Each pod that a policy selects gets a chain for each direction that ends in ``drop``.
Traffic of the node itself (kubelet's probes) is never forwarded and so never judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Item = dict[str, Any]
TABLE = "kolla_k8s_policy"


def ruleset(policies: list[Item], pods: list[Item], namespaces: list[Item]) -> str:
    """Text for ``nft -f -`` that replaces the whole table at once."""
    labels = {space["metadata"]["name"]: space["metadata"].get("labels", {}) for space in namespaces}
    members = [pod for pod in pods if pod["status"].get("podIP") and not pod["spec"].get("hostNetwork")]
    chains: list[str] = []
    jumps: dict[str, list[str]] = {"forward": [], "input": []}
    for pod in sorted(members, key=lambda pod: str(pod["status"]["podIP"])):
        for direction, side in (("Ingress", "daddr"), ("Egress", "saddr")):
            selecting = [policy for policy in policies if _selects(policy, pod, direction)]
            if not selecting:
                continue
            address = pod["status"]["podIP"]
            name = f"{direction.lower()}_{address.replace('.', '_')}"
            jumps["forward"].append(f"ip {side} {address} jump {name}")
            if direction == "Egress":
                jumps["input"].append(f"ip saddr {address} jump {name}")
            rules = [rule for policy in selecting for rule in _rules(policy, pod, direction, (members, labels))]
            chains.append(_chain(name, ["ct state established,related return", *sorted(set(rules)), "drop"]))
    bases = [_chain(hook, [f"type filter hook {hook} priority 10; policy accept;", *jumps[hook]]) for hook in jumps]
    return f"table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{''.join(chains + bases)}}}\n"


def _chain(name: str, rules: Iterable[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {rule}\n" for rule in rules) + "  }\n"


def _selects(policy: Item, pod: Item, direction: str) -> bool:
    is_here = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    kinds = policy["spec"].get("policyTypes", ["Ingress"])
    return is_here and direction in kinds and matches(policy["spec"].get("podSelector", {}), _labels(pod))


def _labels(pod: Item) -> dict[str, str]:
    return dict(pod["metadata"].get("labels", {}))


def matches(selector: Item, labels: dict[str, str]) -> bool:
    """Whether a label selector matches.

    >>> matches({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"})
    True
    """
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _holds(expression: Item, labels: dict[str, str]) -> bool:
    value, wanted = labels.get(expression["key"]), expression.get("values", [])
    match expression["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case _:
            return value is None


def _rules(policy: Item, pod: Item, direction: str, cluster: tuple[list[Item], dict[str, Any]]) -> Iterator[str]:
    key, side = ("from", "saddr") if direction == "Ingress" else ("to", "daddr")
    for rule in policy["spec"].get(direction.lower()) or ():
        peers = list(_peers(rule.get(key), policy["metadata"]["namespace"], side, cluster))
        for peer in peers:
            for port in _ports(rule.get("ports"), pod):
                yield f"{peer}{port}return"


def _peers(
    wanted: list[Item] | None, space: str, side: str, cluster: tuple[list[Item], dict[str, Any]]
) -> Iterator[str]:
    if not wanted:
        yield ""
    for peer in wanted or ():
        if "ipBlock" in peer:
            yield from _block(peer["ipBlock"], side)
            continue
        addresses = sorted(_addresses(peer, space, cluster))
        if addresses:
            yield f"ip {side} {{ {', '.join(addresses)} }} "


def _block(block: Item, side: str) -> Iterator[str]:
    family = "ip6" if ":" in block["cidr"] else "ip"
    excepted = block.get("except") or []
    without = f"{family} {side} != {{ {', '.join(excepted)} }} " if excepted else ""
    yield f"{family} {side} {block['cidr']} {without}"


def _addresses(peer: Item, space: str, cluster: tuple[list[Item], dict[str, Any]]) -> Iterator[str]:
    members, labels = cluster
    spaces = {space}
    if "namespaceSelector" in peer:
        spaces = {name for name, found in labels.items() if matches(peer["namespaceSelector"], found)}
    for pod in members:
        if pod["metadata"]["namespace"] in spaces and matches(peer.get("podSelector", {}), _labels(pod)):
            yield pod["status"]["podIP"]


def _ports(ports: list[Item] | None, pod: Item) -> Iterator[str]:
    if not ports:
        yield ""
    for port in ports or ():
        protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
        if isinstance(number, str):
            number = _named(pod, number)
        last = f"-{port['endPort']}" if "endPort" in port else ""
        yield f"{protocol} dport {number}{last} " if number else f"meta l4proto {protocol} "


def _named(pod: Item, name: str) -> int:
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports", ()))
    return int(next((port["containerPort"] for port in ports if port.get("name") == name), 0))
