"""Are the images of a cloud there? Registries are asked from here, with the credentials that the cluster's pods have.

Only what a registry plainly says is ``ok`` or a ``problem``. What it says of us (a limit, a fault, a network between)
says nothing of the cluster, and is a warning with the reason.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from kolla_k8s.adapters.aio import aiohttp
from kolla_k8s.adapters.registry import PATIENCE, Login, fitting, logins, parse, status
from kolla_k8s.errors import KollaK8sError
from kolla_k8s.orchestrate.preflight import Finding
from kolla_k8s.orchestrate.secrets import SECRETS
from kolla_k8s.ports import Cluster, KubeObject

CONFIG = ".dockerconfigjson"
AT_ONCE = 8
DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

Place = tuple[str, str]
"""Namespace and name of a Secret."""


@dataclass(slots=True)
class Keyring:
    """What Secrets for pulling hold; ``missing`` has level and fact of those that gave nothing."""

    logins: dict[Place, list[Login]] = field(default_factory=dict)
    missing: dict[Place, tuple[str, str]] = field(default_factory=dict)


async def image_findings(cluster: Cluster, objects: Mapping[str, Sequence[KubeObject]]) -> list[Finding]:
    """A finding for each image; ``objects`` are namespace -> objects of the rendered charts."""
    secrets: dict[str, set[Place]] = {}
    for space, items in objects.items():
        for image, names in _images(items, ()):
            secrets.setdefault(image, set()).update((space, name) for name in names)
    keyring = await _keyring(cluster, {place for places in secrets.values() for place in places})
    connector = aiohttp.TCPConnector(limit_per_host=AT_ONCE, ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(timeout=PATIENCE, connector=connector, trust_env=True) as session:
        asked = (_finding(session, image, secrets[image], keyring) for image in sorted(secrets))
        return list(await asyncio.gather(*asked))


def _images(item: Any, secrets: Iterable[str]) -> Iterator[tuple[str, Iterable[str]]]:
    """Give each image with the names of the Secrets that its pod may pull it with."""
    if isinstance(item, dict):
        secrets = [one["name"] for one in item.get("imagePullSecrets") or ()] or secrets
        if isinstance(item.get("image"), str):
            yield item["image"], secrets
        for value in item.values():
            yield from _images(value, secrets)
    elif isinstance(item, list):
        for value in item:
            yield from _images(value, secrets)


async def _keyring(cluster: Cluster, places: Iterable[Place]) -> Keyring:
    found = Keyring()
    for space, name in sorted(places):
        try:
            secret = await cluster.get(SECRETS, name, space)
            text = base64.b64decode(((secret or {}).get("data") or {}).get(CONFIG, "")).decode()
        except (KollaK8sError, binascii.Error, UnicodeDecodeError) as error:
            found.missing[space, name] = "warning", f"Secret {space}/{name} cannot be read: {error}"
            continue
        found.logins[space, name] = logins(text)
        if secret is None:
            found.missing[space, name] = "problem", f"Secret {space}/{name} is not there"
        elif not found.logins[space, name]:
            found.missing[space, name] = "problem", f"Secret {space}/{name} has no user and password in {CONFIG}"
    return found


async def _finding(session: aiohttp.ClientSession, name: str, places: AbstractSet[Place], keyring: Keyring) -> Finding:
    image = parse(name)
    known = fitting((login for place in sorted(places) for login in keyring.logins.get(place, ())), image)
    code: int = HTTPStatus.UNAUTHORIZED
    try:
        for login in (*known, None):  # as kubelet: what is open to all is open to a wrong password, too
            code = await status(session, image, login)
            if code not in DENIED:
                break
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        fact = f"{name}: {image.host} cannot be asked from here: {str(error) or 'no answer in time'}"
        return Finding("image", "warning", fact, "the cluster may reach it")
    if code in DENIED:
        return _denied(name, image.host, [keyring.missing[one] for one in sorted(places & set(keyring.missing))], known)
    match code:
        case HTTPStatus.OK:
            return Finding("image", "ok", f"{name} is there")
        case HTTPStatus.NOT_FOUND:
            way_out = "check images.registry and images.tag of the site"
            return Finding("image", "problem", f"{name} is not there", way_out)
        case _:
            fact = f"{name}: {image.host} answers {code}, so nobody can tell whether it is there"
            return Finding("image", "warning", fact, "ask again later")


def _denied(name: str, host: str, missing: Sequence[tuple[str, str]], known: Sequence[Login]) -> Finding:
    """What it means that nobody may see an image: many registries say so of images that are not there, too."""
    if known:
        users = " and ".join(sorted({f'"{login.user}"' for login in known}))
        return Finding("image", "problem", f"{name}: {host} shows it neither to {users} nor to all", "mend the Secret")
    if missing:
        facts = ", ".join(fact for _, fact in missing)
        level = min(level for level, _ in missing)  # a problem before a warning
        return Finding("image", level, f"{name}: {host} wants a login, and {facts}", "make that Secret usable")
    fact = f"{name}: {host} wants a login, or has no such image, and no Secret of images.pullSecrets is for {host}"
    return Finding("image", "warning", fact, "nodes may have credentials of their own")
