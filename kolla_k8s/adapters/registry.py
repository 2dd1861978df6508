"""Ask a registry whether it has an image: the distribution protocol's one question, with its token dance.

Whoever asks without credentials gets a challenge (``WWW-Authenticate: Bearer realm=...``), fetches a token there, as
nobody or with a password, and asks again. See https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from kolla_k8s.adapters.aio import aiohttp

KINDS = ",".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)
PATIENCE = aiohttp.ClientTimeout(total=10)
HUB, HUB_API = "docker.io", "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Image:
    """An image's name taken apart; ``reference`` is its digest, or else its tag."""

    host: str
    name: str
    reference: str


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for a host, or for what begins with ``place`` (``quay.io/team``) there."""

    place: str
    user: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """What proves them by HTTP's basic scheme."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def parse(image: str) -> Image:
    """Take an image's name apart, as container runtimes do.

    >>> parse("quay.io/kolla/keystone:2026.1@sha256:0f")
    Image(host='quay.io', name='kolla/keystone', reference='sha256:0f')
    >>> parse("registry:5000/keystone").reference
    'latest'
    """
    name, _, digest = image.partition("@")
    host, _, rest = name.partition("/")
    if not rest or not (re.search("[.:]", host) or host == "localhost"):
        host, rest = HUB, name if rest else f"library/{name}"
    path, _, tag = rest.partition(":")
    return Image(host, path, digest or tag or "latest")


def logins(dockerconfigjson: str) -> list[Login]:
    """Credentials of a Secret's ``.dockerconfigjson``; those that say nothing we understand are left out."""
    try:
        auths: Mapping[str, Mapping[str, Any]] = json.loads(dockerconfigjson)["auths"]
        return [login for place, said in auths.items() if (login := _login(place, said))]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []


def _login(place: str, said: Mapping[str, Any]) -> Login | None:
    user, password = said.get("username"), said.get("password")
    if not user and said.get("auth"):
        user, _, password = base64.b64decode(said["auth"]).decode().partition(":")
    place = re.sub(r"^https?://|(/v[12])?/*$", "", place)
    return Login(re.sub("^(index|registry-1)[.]", "", place), user, password or "") if user else None


def fitting(known: Iterable[Login], image: Image) -> list[Login]:
    """Those that are for an image's host and path, the most special first."""
    full = f"{image.host}/{image.name}/"
    return sorted((login for login in known if full.startswith(f"{login.place}/")), key=lambda one: -len(one.place))


async def status(session: aiohttp.ClientSession, image: Image, login: Login | None = None) -> int:
    """Status that a registry answers for an image, after its challenge was met.

    Raises:
        aiohttp.ClientError, TimeoutError: The registry, or the one who gives tokens for it, cannot be asked.
    """
    host = HUB_API if image.host == HUB else image.host
    url = f"{'http' if _is_loopback(host) else 'https'}://{host}/v2/{image.name}/manifests/{image.reference}"
    async with session.head(url, headers={"Accept": KINDS}, allow_redirects=True, timeout=PATIENCE) as answer:
        code, challenges = answer.status, answer.headers.getall("WWW-Authenticate", [])
    if code != HTTPStatus.UNAUTHORIZED:
        return code
    proof = login.header if login else ""
    if bearer := [one for one in challenges if one.lower().startswith("bearer ")]:
        code, proof = await _token(session, dict(re.findall(r'(\w+)="([^"]*)"', bearer[0])), image, login)
    if not proof:
        return code
    headers = {"Accept": KINDS, "Authorization": proof}
    async with session.head(url, headers=headers, allow_redirects=True, timeout=PATIENCE) as answer:
        return answer.status


async def _token(
    session: aiohttp.ClientSession, challenge: Mapping[str, str], image: Image, login: Login | None
) -> tuple[int, str]:
    """Status of who gives tokens, and the header with the token, if there is one.

    A password goes nowhere in the clear: the place that a challenge names must be safe when we have one.
    """
    realm = challenge.get("realm", "")
    is_safe = realm.startswith("https://") or _is_loopback(realm.removeprefix("http://").partition("/")[0])
    if not is_safe:
        raise aiohttp.InvalidURL(realm, "tokens are given out without TLS")
    query = {"service": challenge.get("service", ""), "scope": challenge.get("scope", f"repository:{image.name}:pull")}
    headers = {"Authorization": login.header} if login else {}
    given = {key: value for key, value in query.items() if value}
    async with session.get(realm, params=given, headers=headers, timeout=PATIENCE) as got:
        if got.status != HTTPStatus.OK:
            return got.status, ""
        body = await got.json(content_type=None)
    token = body.get("token") or body.get("access_token")
    return got.status, f"Bearer {token}"


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine: container runtimes, too, speak plain HTTP to such registries."""
    return re.fullmatch(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?", host) is not None
