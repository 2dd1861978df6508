"""Whether images are there, as a registry on loopback plays it: open, behind a token or a password, or in trouble."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from kolla_k8s.adapters.images import image_findings
from kolla_k8s.adapters.registry import PATIENCE, Image, Login, fitting, logins, parse, status
from kolla_k8s.errors import OutsideError
from kolla_k8s.orchestrate.preflight import Finding
from kolla_k8s.orchestrate.secrets import SECRETS
from sandbox import pki
from tests.fake_cluster import URL, FakeCluster

OWNER = "Basic " + base64.b64encode(b"robot:p:w").decode()


@dataclass(slots=True)
class Registry:
    """A registry with one image, ``kolla/keystone:1``; what it lets in is said by its parts.

    Attributes:
        guard: ``open``, ``token`` (who asks as nobody gets one for nothing), ``login`` (tokens for a password) or
            ``basic`` (a password without tokens).
        trouble: Answered instead of anything else, where it is not 0.
        realm: Where tokens are given out, if not here.
        asked: Paths with their queries, in order.
    """

    guard: str = "open"
    trouble: int = 0
    host: str = ""
    realm: str = ""
    runner: web.AppRunner = field(init=False)
    asked: list[str] = field(default_factory=list)

    async def also(self, context: ssl.SSLContext | None = None) -> int:
        """Listen at one more port, with TLS where a context is given."""
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=context).start()
        return int(self.runner.addresses[-1][1])

    async def manifest(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        given = request.headers.get("Authorization", "")
        if self.trouble:
            return web.Response(status=self.trouble)
        if self.guard == "basic" and given != OWNER:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="here"'})
        if self.guard in {"token", "login"} and given != "Bearer t0ken":
            realm = self.realm or f"http://{self.host}/token"
            challenge = f'Bearer realm="{realm}",service="here",scope="repository:kolla/keystone:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        is_there = request.path in {"/v2/kolla/keystone/manifests/1", "/v2/kolla/keystone/manifests/sha256:0f"}
        return web.Response(status=200 if is_there else 404)

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.guard == "login" and request.headers.get("Authorization") != OWNER:
            return web.Response(status=401)
        return web.json_response({"access_token": "t0ken"})


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """A registry that is open."""
    played = Registry()
    application = web.Application()
    application.router.add_get("/token", played.token)
    application.router.add_route("*", "/v2/{path:.*}", played.manifest)
    played.runner = web.AppRunner(application, shutdown_timeout=0.1)
    await played.runner.setup()
    played.host = f"127.0.0.1:{await played.also()}"
    yield played
    await played.runner.cleanup()


def a_cluster(user="robot", host="", **data):
    """A cluster with a Secret for pulling called ``pull``."""
    cluster = FakeCluster()
    content = json.dumps({"auths": {host: {"username": user, "password": "p:w"}}})
    data = data or {".dockerconfigjson": content}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    cluster.put(SECRETS, {"metadata": {"name": "pull"}, "data": encoded}, "openstack")
    return cluster


async def found(registry, image="kolla/keystone:1", cluster=None, secrets=("pull",)):
    """The one finding about an image that a Deployment names."""
    pod = {"containers": [{"name": "api", "image": f"{registry.host}/{image}"}]}
    pod["imagePullSecrets"] = [{"name": name} for name in secrets]
    items = [{"kind": "Deployment", "spec": {"template": {"spec": pod}}}]
    findings = await image_findings(cluster or FakeCluster(), {"openstack": items, "openstack-node": []})
    assert 1 == len(findings)
    return findings[0]


async def test_image_in_an_open_registry_is_there(registry):
    """
    By its tag, or by its digest whatever the tag says.
    """
    for image in ("kolla/keystone:1", "kolla/keystone@sha256:0f", "kolla/keystone:old@sha256:0f"):
        finding = await found(registry, image)

        assert Finding("image", "ok", f"{registry.host}/{image} is there") == finding


async def test_registry_is_trusted_by_the_authorities_of_the_machine(registry, tmp_path, monkeypatch):
    """
    By those that OpenSSL's own variables name at that moment, and by no others.
    """
    pki.make(tmp_path, {"server": ("/CN=server", "IP:127.0.0.1")})
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    registry.guard, registry.realm = "token", f"https://127.0.0.1:{await registry.also(context)}/token"

    assert "warning" == (await found(registry)).level
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    assert "ok" == (await found(registry)).level


async def test_image_that_is_not_there_is_a_problem(registry):
    """
    With what names it in the site.
    """
    finding = await found(registry, "kolla/keystone:2")

    fact, way_out = f"{registry.host}/kolla/keystone:2 is not there", "check images.registry and images.tag of the site"
    assert Finding("image", "problem", fact, way_out) == finding


async def test_token_for_nobody_opens_a_public_image(registry):
    """
    As public registries give it out: asked for with the challenge's service and scope.
    """
    registry.guard = "token"

    finding, missing = await found(registry), await found(registry, "kolla/keystone:2")

    assert ("ok", "problem") == (finding.level, missing.level)
    manifest = "/v2/kolla/keystone/manifests/1"
    token = "/token?service=here&scope=repository:kolla/keystone:pull"
    assert [manifest, token, manifest] == registry.asked[:3]


@pytest.mark.parametrize("guard", ["login", "basic"])
async def test_password_of_the_pull_secret_opens_a_private_image(registry, guard):
    """
    The one that the cluster's pods have; for a token, or as it is.
    """
    registry.guard = guard

    finding = await found(registry, cluster=a_cluster(host=registry.host))

    assert f"{registry.host}/kolla/keystone:1 is there" == finding.fact


async def test_wrong_password_hides_no_public_image(registry):
    """
    Kubelet asks as nobody, too.
    """
    finding = await found(registry, cluster=a_cluster(host=registry.host, user="nobody"))

    assert "ok" == finding.level


@pytest.mark.parametrize("guard", ["login", "basic"])
async def test_refused_password_is_a_problem(registry, guard):
    """
    With the user, and without the password.
    """
    registry.guard = guard

    finding = await found(registry, cluster=a_cluster(user="nobody", host=registry.host))

    assert "problem" == finding.level
    assert "p:w" not in finding.fact
    assert f'{registry.host}/kolla/keystone:1: {registry.host} shows it neither to "nobody" nor to all' == finding.fact


async def test_private_image_without_a_secret_is_a_warning(registry):
    """
    Nodes may know a password that nobody told us; a Secret for another registry is none for this one.
    """
    registry.guard = "login"

    without = await found(registry, secrets=())
    other = await found(registry, cluster=a_cluster(host="quay.io"))

    assert without == other
    assert "warning" == without.level
    assert f"wants a login, or has no such image, and no Secret of images.pullSecrets is for {registry.host}" in (
        without.fact
    )


async def test_pull_secret_that_is_of_no_use_is_named(registry):
    """
    Not there, or without credentials: a problem. One that we may not read says nothing of the cluster.
    """
    registry.guard = "login"
    unreadable = a_cluster()

    def refuse(_request):
        raise OutsideError(URL, "secrets are off")

    unreadable.fail = refuse
    empty = a_cluster(other="x")

    absent, hollow, hidden = [await found(registry, cluster=one) for one in (FakeCluster(), empty, unreadable)]

    assert ["problem", "problem", "warning"] == [absent.level, hollow.level, hidden.level]
    assert absent.fact.endswith("wants a login, and Secret openstack/pull is not there")
    assert hollow.fact.endswith("Secret openstack/pull has no user and password in .dockerconfigjson")
    assert hidden.fact.endswith(f"Secret openstack/pull cannot be read: {URL}: secrets are off")


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_registry_in_trouble_tells_nothing(registry, code):
    """
    Neither that the image is there nor that it is not.
    """
    registry.trouble = code

    finding = await found(registry)

    fact = f"{registry.host}/kolla/keystone:1: {registry.host} answers {code}, so nobody can tell whether it is there"
    assert Finding("image", "warning", fact, "ask again later") == finding


async def test_password_goes_nowhere_in_the_clear(registry):
    """
    Whatever place a challenge names.
    """
    registry.guard, registry.realm = "login", "http://tokens.example.org/token"

    finding = await found(registry, cluster=a_cluster(host=registry.host))

    assert "warning" == finding.level
    assert "tokens are given out without TLS" in finding.fact


async def test_registry_that_only_the_cluster_reaches_is_a_warning():
    """
    Nobody listens there, seen from here.
    """
    finding = await found(Registry(host="127.0.0.1:9"))

    assert ("warning", "the cluster may reach it") == (finding.level, finding.way_out)
    assert finding.fact.startswith("127.0.0.1:9/kolla/keystone:1: 127.0.0.1:9 cannot be asked from here: ")


async def test_status_is_what_the_giver_of_tokens_says(registry):
    """
    When it gives none.
    """
    registry.guard = "login"

    async with aiohttp.ClientSession(timeout=PATIENCE) as session:
        code = await status(session, parse(f"{registry.host}/kolla/keystone:1"), Login("x", "nobody", ""))

    assert 401 == code


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("quay.io/kolla/keystone:1", Image("quay.io", "kolla/keystone", "1")),
        ("registry:5000/keystone", Image("registry:5000", "keystone", "latest")),
        ("registry:5000/keystone@sha256:0f", Image("registry:5000", "keystone", "sha256:0f")),
        ("quay.io/kolla/keystone:1@sha256:0f", Image("quay.io", "kolla/keystone", "sha256:0f")),
        ("localhost/keystone", Image("localhost", "keystone", "latest")),
        ("kolla/keystone:1", Image("docker.io", "kolla/keystone", "1")),
        ("memcached:1", Image("docker.io", "library/memcached", "1")),
    ],
)
def test_names_of_images_are_taken_apart(text, image):
    """
    As container runtimes do, with ports and digests.
    """
    assert image == parse(text)


def config(**auths):
    return json.dumps({"auths": {place.replace("__", "/").replace("_", "."): said for place, said in auths.items()}})


def test_passwords_are_read_as_docker_writes_them():
    """
    In two fields or in one; what says no user is left out.
    """
    packed = {"auth": base64.b64encode(b"me:a:b").decode()}

    assert [Login("quay.io/team", "me", "a:b")] == logins(config(quay_io__team=packed, other_io={}))
    assert [Login("quay.io", "me", "x")] == logins(config(quay_io={"username": "me", "password": "x"}))
    hub = json.dumps({"auths": {"https://index.docker.io/v1/": packed}})
    assert [Login("docker.io", "me", "a:b")] == logins(hub)
    assert [] == logins("no JSON") == logins("[]") == logins(config(quay_io={"auth": "%"}))


def test_most_special_password_comes_first():
    """
    One for another path, or for a host whose name only begins alike, is not for this image.
    """
    known = [Login(place, "u", "") for place in ("quay.io", "quay.io/team", "quay.io/te", "quay.i")]

    assert ["quay.io/team", "quay.io"] == [one.place for one in fitting(known, parse("quay.io/team/keystone:1"))]


def test_passwords_are_not_printed():
    """
    Not by accident.
    """
    assert "s3cret" not in repr(Login("quay.io", "me", "s3cret"))
