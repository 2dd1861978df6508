"""Ask registries whether images are there, as far as they can be reached from here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import aiohttp

from kolla_k8s.orchestrate.preflight import Finding

KINDS = ",".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


async def image_findings(objects: Iterable[dict[str, Any]]) -> list[Finding]:
    """A finding for each image; a registry that only the cluster reaches gives a warning, not a problem."""
    images = sorted({image for item in objects for image in _images(item)})
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        return list(await asyncio.gather(*(_finding(session, image) for image in images)))


def _images(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        if isinstance(item.get("image"), str):
            yield item["image"]
        for value in item.values():
            yield from _images(value)
    elif isinstance(item, list):
        for value in item:
            yield from _images(value)


async def _finding(session: aiohttp.ClientSession, image: str) -> Finding:
    host, _, rest = image.partition("/")
    name, _, tag = rest.rpartition(":")
    url = f"https://{host}/v2/{name}/manifests/{tag}"
    try:
        async with session.head(url, headers={"Accept": KINDS}) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError):
        return Finding("image", "warning", f"{image}: {host} cannot be reached from here", "the cluster may reach it")
    if status == 404:
        return Finding("image", "problem", f"{image} is not there", "check images.registry and images.tag of the site")
    word = "is there" if status == 200 else "exists behind a login"
    return Finding("image", "ok", f"{image} {word}")
