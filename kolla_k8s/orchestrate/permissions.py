"""What must a person be allowed to do for an install, and what of it is refused?

Apart from the other questions of ``check`` because the list mirrors what the whole orchestrator asks of the API: who
makes it ask for more adds the right here. The API itself is asked, by access reviews, which change nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kolla_k8s.orchestrate.kinds import ALWAYS_WATCHED, resource_of
from kolla_k8s.orchestrate.ready import is_passive
from kolla_k8s.ports import Cluster, KubeObject, Resource

REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", is_namespaced=False
)
HELM = ("get", "create", "patch", "delete")
FOLLOW = ("list", "watch")
IN_BOTH_PLANES = {
    "secrets": ("get", "list", "create", "update", "delete"),
    "configmaps": ("get", "list", "create", "update", "patch", "delete"),
    "pods": ("delete",),
    "pods/log": ("get",),
    "pods/exec": ("get",),
    "jobs.batch": ("delete",),
    "controllerrevisions.apps": ("list",),
}
IN_CONTROL_PLANE = {"leases.coordination.k8s.io": ("get", "create", "update")}
IN_CLUSTER = {"nodes": ("list",)}


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing to be allowed: ``Right("openstack", "pods/exec", "get")``; a namespace ``""`` is the whole cluster.

    ``resource`` is spelled as in ``kubectl auth can-i``: ``leases.coordination.k8s.io``, ``pods/log``.
    """

    namespace: str
    resource: str
    verb: str
    name: str = ""


def rights(objects: Mapping[str, Sequence[KubeObject]], namespaces: Mapping[str, str]) -> set[Right]:
    """Everything an install asks of the API but to make the namespaces.

    Args:
        objects: Namespace -> what charts put there.
        namespaces: ``control`` and ``node`` -> namespace.
    """
    control = namespaces["control"]
    found = set(_each("", IN_CLUSTER)) | set(_each(control, IN_CONTROL_PLANE))
    for space in namespaces.values():
        found |= set(_each(space, IN_BOTH_PLANES))
        found |= {_right(resource, space, verb) for resource in ALWAYS_WATCHED for verb in FOLLOW}
        found.add(Right(space, "namespaces", "get", space))
    for space, items in objects.items():
        for item in items:
            verbs = HELM if is_passive(item) else (*HELM, *FOLLOW)
            found |= {_right(resource_of(item), item["metadata"].get("namespace") or space, verb) for verb in verbs}
    return found


def _each(namespace: str, verbs_by_resource: Mapping[str, Iterable[str]]) -> Iterator[Right]:
    for resource, verbs in verbs_by_resource.items():
        yield from (Right(namespace, resource, verb) for verb in verbs)


def _right(resource: Resource, namespace: str, verb: str) -> Right:
    name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    return Right(namespace if resource.is_namespaced else "", name, verb)


async def refused(cluster: Cluster, wanted: Iterable[Right]) -> list[Right]:
    """Those that we do not have, in order; raises what the API answers when it cannot be asked."""
    asked = sorted(wanted)
    answers = await asyncio.gather(*(cluster.create(REVIEWS, _review(right)) for right in asked))
    return [right for right, answer in zip(asked, answers, strict=True) if not answer.get("status", {}).get("allowed")]


def _review(right: Right) -> KubeObject:
    whole, _, part = right.resource.partition("/")
    plural, _, group = whole.partition(".")
    attributes: dict[str, str] = {"verb": right.verb, "group": group, "resource": plural}
    others = {"namespace": right.namespace, "subresource": part, "name": right.name}
    attributes |= {key: value for key, value in others.items() if value}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
