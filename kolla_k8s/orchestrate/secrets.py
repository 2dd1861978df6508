"""Generate a cloud's secrets and create them once: the cluster is the truth, nothing is ever overwritten."""

from __future__ import annotations

import base64
import contextlib
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from kolla_k8s.errors import AlreadyExistsError, ConflictError, OutsideError
from kolla_k8s.model.borrowed import borrowed_secrets
from kolla_k8s.model.catalog import SINGLE_KEY, Catalog, SecretRef, derived_secrets, is_control, secret_ref
from kolla_k8s.model.service import SecretKind
from kolla_k8s.ports import Cluster, KubeObject, Resource

SECRETS = Resource("", "v1", "secrets", "Secret")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", is_namespaced=False)
OWNER = "kolla-k8s.io/owner"
LETTERS = string.ascii_letters + string.digits
LABELS = {"app.kubernetes.io/part-of": "openstack", "app.kubernetes.io/managed-by": "kolla-k8s"}
SECURITY = {"control": "restricted", "node": "privileged"}

Generator = Callable[[SecretKind], str]


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A Secret that charts expect.

    Attributes:
        keys: Key -> what it holds; empty when the operator makes the whole Secret.
        owner: ``site`` or ``cluster``.
        about: What the operator must know of what is not generated.
        of_cluster: Those of the keys that belong to the cluster, whoever owns the Secret.
    """

    name: str
    namespace: str
    keys: Mapping[str, SecretKind]
    owner: str = "site"
    about: str = ""
    of_cluster: frozenset[str] = frozenset()


def generate(kind: SecretKind) -> str:
    """Make one secret of a kind that is generated."""
    match kind:
        case SecretKind.PASSWORD | SecretKind.ERLANG_COOKIE:
            return "".join(secrets.choice(LETTERS) for _ in range(40))
        case SecretKind.FERNET_KEYS:
            return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        case SecretKind.GIVEN | SecretKind.KEYRING:
            raise ValueError(f"nobody can make up a {kind}")
        case _:
            assert_never(kind)


def secret_specs(catalog: Catalog, services: Iterable[str], namespaces: Mapping[str, str]) -> list[SecretSpec]:
    """Every Secret that the charts of these services expect, sorted by name."""
    found: dict[str, SecretSpec] = {}
    for name in sorted(services):
        service = catalog[name]
        space = namespaces["control" if is_control(service) else "node"]
        for secret, kind in derived_secrets(service).items():
            ref = secret_ref(service, secret)
            declared = service.spec.secrets.get(secret)
            owner, about = (declared.owner, declared.help) if declared else ("site", "")
            keys = _keys(ref, kind)
            spec = SecretSpec(ref.secret, space, keys, owner, about, frozenset(keys if owner == "cluster" else ()))
            found[ref.secret] = _joined(found.get(ref.secret, spec), spec)
    return sorted(found.values(), key=lambda spec: spec.name)


def _keys(ref: SecretRef, kind: SecretKind) -> dict[str, SecretKind]:
    if kind is SecretKind.KEYRING:
        return {}
    return {ref.key: kind} if kind in SINGLE_KEY else dict.fromkeys(("0", "1"), kind)


def _joined(one: SecretSpec, other: SecretSpec) -> SecretSpec:
    """Put the keys of one Secret together; it is the cluster's only when all of them are."""
    owner = "site" if "site" in {one.owner, other.owner} else "cluster"
    of_cluster = one.of_cluster | other.of_cluster
    return SecretSpec(one.name, one.namespace, {**one.keys, **other.keys}, owner, one.about, of_cluster)


async def ensure_namespaces(cluster: Cluster, namespaces: Mapping[str, str]) -> list[str]:
    """Create missing namespaces with their Pod Security labels; give the names of those created."""
    made = []
    for plane, name in sorted(namespaces.items()):
        if await cluster.get(NAMESPACES, name) is not None:
            continue
        level = SECURITY[plane]
        labels = {
            "app.kubernetes.io/part-of": "openstack",
            "pod-security.kubernetes.io/enforce": level,
            "pod-security.kubernetes.io/audit": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
        }
        about = {"name": name, "labels": labels}
        with contextlib.suppress(AlreadyExistsError):  # another run was faster
            await cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": about})
            made.append(name)
    return made


async def ensure_secrets(
    cluster: Cluster, specs: Iterable[SecretSpec], make: Generator = generate, given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Create what is missing: a whole Secret, or keys of one that is there; nothing is changed.

    Args:
        cluster: Where they are created.
        specs: What is wanted.
        make: Makes a value of a kind.
        given: ``secret/key`` -> value to use instead of a generated one.

    Returns:
        Secret -> ``created``, ``kept`` or ``completed``.
    """
    done = {}
    for spec in specs:
        done[spec.name] = await _ensure(cluster, spec, make, given or {})
    return done


async def _ensure(cluster: Cluster, spec: SecretSpec, make: Generator, given: Mapping[str, str]) -> str:
    """Create or complete one Secret; when another run writes it meanwhile, look again at what is there now."""
    there = await cluster.get(SECRETS, spec.name, spec.namespace)
    if there is None and not spec.keys:
        raise OutsideError(f"Secret {spec.namespace}/{spec.name}", "is not there", f"create it: {spec.about}")
    try:
        if there is None:
            await cluster.create(SECRETS, _secret(spec, make, given), spec.namespace)
            return "created"
        data = there.get("data") or {}
        missing = _missing(spec, data)
        if not missing:
            return "kept"
        values = {key: _encoded(_value(spec, key, make, given)) for key in missing}
        await cluster.replace(SECRETS, {**there, "data": {**data, **values}}, spec.namespace)
    except ConflictError:
        return await _ensure(cluster, spec, make, given)
    return "completed"


def _missing(spec: SecretSpec, data: Mapping[str, str]) -> list[str]:
    """Name the keys that are wanted and not there; of a key repository, which rotation changes, all or none."""
    is_repository = SecretKind.FERNET_KEYS in spec.keys.values()
    return [] if is_repository and data else [key for key in spec.keys if key not in data]


def _secret(spec: SecretSpec, make: Generator, given: Mapping[str, str]) -> KubeObject:
    about = {"name": spec.name, "labels": LABELS, "annotations": {OWNER: spec.owner}}
    data = {key: _encoded(_value(spec, key, make, given)) for key in spec.keys}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": about, "data": data}


def _value(spec: SecretSpec, key: str, make: Generator, given: Mapping[str, str]) -> str:
    if said := given.get(f"{spec.name}/{key}"):
        return said
    if spec.keys[key] is SecretKind.GIVEN:
        way_out = "say it in a file for `kolla-k8s secrets init --from`"
        raise OutsideError(f"Secret {spec.namespace}/{spec.name}", f"{key} cannot be generated", way_out)
    return make(spec.keys[key])


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class SecretCopy:
    """Keys of a Secret that pods of the other plane name: Secrets do not cross namespaces."""

    name: str
    source: str
    target: str
    keys: tuple[str, ...]


def secret_copies(catalog: Catalog, services: Iterable[str], namespaces: Mapping[str, str]) -> list[SecretCopy]:
    """What must be copied for these services, with the fewest keys, sorted by name."""
    wanted: dict[tuple[str, bool], set[str]] = {}
    for name in services:
        for owner, secret in borrowed_secrets(catalog, name):
            ref = secret_ref(catalog[owner], secret)
            wanted.setdefault((ref.secret, is_control(catalog[owner])), set()).add(ref.key)
    control, node = namespaces["control"], namespaces["node"]
    return [
        SecretCopy(name, *((control, node) if is_ours else (node, control)), tuple(sorted(keys)))
        for (name, is_ours), keys in sorted(wanted.items())
    ]


async def ensure_copies(cluster: Cluster, copies: Iterable[SecretCopy]) -> None:
    """Make each copy equal to its source; OutsideError when the source lacks a key."""
    for copy in copies:
        source = await cluster.get(SECRETS, copy.name, copy.source)
        there = (source or {}).get("data") or {}
        if missing := [key for key in copy.keys if key not in there]:
            way_out = f"install the service it belongs to, or create it in {copy.source}"
            raise OutsideError(f"Secret {copy.source}/{copy.name}", f"lacks {', '.join(missing)}", way_out)
        data = {key: there[key] for key in copy.keys}
        target = await cluster.get(SECRETS, copy.name, copy.target)
        if target is None:
            about = {"name": copy.name, "labels": LABELS, "annotations": {OWNER: "copy"}}
            made = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": about, "data": data}
            await cluster.create(SECRETS, made, copy.target)
        elif any((target.get("data") or {}).get(key) != value for key, value in data.items()):
            await cluster.replace(SECRETS, {**target, "data": {**(target.get("data") or {}), **data}}, copy.target)


async def read_secrets(cluster: Cluster, specs: Iterable[SecretSpec]) -> dict[str, dict[str, str]]:
    """Secret -> key -> value, of those that are there; what is no UTF-8 has surrogates where its bytes are."""
    found = {}
    for spec in specs:
        secret = await cluster.get(SECRETS, spec.name, spec.namespace)
        if secret is not None:
            data = secret.get("data") or {}
            found[spec.name] = {key: _decoded(value) for key, value in data.items()}
    return found
