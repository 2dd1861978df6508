"""What helm says and what it is told, without a cluster: with a small program in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kolla_k8s.adapters.helm import LIMIT_S, HelmProgram, Runner, environment
from kolla_k8s.adapters.process import RUN, identity
from kolla_k8s.adapters.words import HelmError, PendingError, UnreachableError, explained
from kolla_k8s.errors import ConflictError, OutsideError, RefusedError
from kolla_k8s.model.plan import HelmRequest
from kolla_k8s.redact import Redactor


def a_helm(folder: Path, script: str, *, limit_s: float = LIMIT_S) -> HelmProgram:
    """A helm that is this shell script."""
    program = folder / "helm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    runner = Runner(str(program), "/the/config", "the-context", folder / "home")
    return HelmProgram(runner, Redactor(["hunter2!"]), limit_s=limit_s)


def request(**values: object) -> HelmRequest:
    return HelmRequest("keystone", "openstack", "charts/keystone", values, "abc", {"team": "blue"})


@pytest.mark.parametrize("said", ["v3.20.2", "v3.21.0", "v4.1.4", "v4.3.1", "v4.3", "v5.0.0", "v4.3.1+g1234"])
async def test_helm_that_is_new_enough_is_used(tmp_path: Path, said: str) -> None:
    """
    A helm built as a dependency of a Go module says only v4.3: it is one of the new ones.
    """
    assert said.removeprefix("v") == await a_helm(tmp_path, f"echo {said}").version()


@pytest.mark.parametrize("said", ["v2.17.0", "v3.20.1", "v3.9.4", "v3.19", "v4.1.3", "v4.0", "v4.0.0-rc.1"])
async def test_helm_that_is_too_old_is_refused(tmp_path: Path, said: str) -> None:
    """
    Earlier ones have known holes.
    """
    with pytest.raises(
        OutsideError, match=rf"helm: version {said} is too old; install Helm 3\.20\.2 or 4\.1\.4, or later"
    ):
        await a_helm(tmp_path, f"echo {said}").version()


async def test_program_that_is_no_helm_is_refused(tmp_path: Path) -> None:
    """
    What says no version is not guessed at.
    """
    with pytest.raises(OutsideError, match='helm: says "usage: helm" when asked for its version'):
        await a_helm(tmp_path, "echo usage: helm").version()


async def test_helm_bears_the_name_of_its_run(tmp_path: Path) -> None:
    """
    Whoever finds the run dead can see that its helm still works.
    """
    said = await a_helm(tmp_path, f"echo ${RUN}").run([])

    assert identity() == said.strip()


async def test_helm_that_hangs_is_ended_and_may_be_tried_again(tmp_path: Path) -> None:
    """
    It waits for a connection that was taken and is never answered; by itself it would wait for ever.
    """
    hanging = a_helm(tmp_path, "exec sleep 1000", limit_s=0.3)

    with pytest.raises(UnreachableError, match=r"keystone: helm did not end within 0\.3 s; run the same command again"):
        await hanging.upgrade_install(request())


async def test_missing_helm_says_how_to_get_it(tmp_path: Path) -> None:
    """
    The first thing a new operator may see.
    """
    helm = HelmProgram(Runner(str(tmp_path / "nothing"), None, None, tmp_path))

    with pytest.raises(
        OutsideError, match=r"helm: not on PATH; install Helm 3\.20\.2 or 4\.1\.4, or later, or say where"
    ):
        await helm.version()


async def test_helm_that_may_not_run_is_told(tmp_path: Path) -> None:
    """
    A file without the right to be run is not a missing one.
    """
    (tmp_path / "helm").write_text("")
    helm = HelmProgram(Runner(str(tmp_path / "helm"), None, None, tmp_path))

    with pytest.raises(OutsideError, match="helm: cannot be run: Permission denied"):
        await helm.version()


async def test_upgrade_waits_for_nothing_and_hides_the_values(tmp_path: Path) -> None:
    """
    The values go in by stdin, once; no flag makes helm wait, roll back, force or skip a check.
    """
    out = tmp_path / "told"
    script = (
        f'printf "%s\\n" "$@" > {out}; cat > {out}.stdin; echo "Pulled: x"; echo \'{{"manifest": "a: 1\\n---\\n"}}\''
    )
    objects = await a_helm(tmp_path, script.replace("\\n---\\n", "\\\\n---\\\\n")).upgrade_install(
        request(a={"b": [1]})
    )

    assert [{"a": 1}] == objects
    assert {"a": {"b": [1]}} == json.loads(Path(f"{out}.stdin").read_text())
    expected = ["upgrade", "keystone", "charts/keystone", "--install", "--history-max", "10"]
    expected += ["--labels", "kolla-k8s.io/digest=abc,team=blue", "--namespace", "openstack", "--values", "-"]
    assert [*expected, "--output", "json", "--kube-context", "the-context"] == out.read_text().splitlines()


@pytest.mark.parametrize("said", ["", "Pulled: x", "{", '{"name": "x"}', '{"manifest": 7}'])
async def test_answer_without_a_release_is_an_error(tmp_path: Path, said: str) -> None:
    """
    What cannot be read is not taken for an empty release.
    """
    with pytest.raises(HelmError, match="keystone: helm did not answer with a release"):
        await a_helm(tmp_path, f"cat > /dev/null; echo '{said}'").upgrade_install(request())


async def test_error_hides_secrets(tmp_path: Path) -> None:
    """
    Helm quotes what it does not like: a secret in it is hidden.
    """
    with pytest.raises(HelmError) as raised:
        await a_helm(tmp_path, "echo 'Error: cannot parse hunter2!' >&2; exit 1").manifest("keystone", "openstack")

    assert "manifest: cannot parse <redacted>; mend the cause and run the same command again" == str(raised.value)


async def test_helm_sees_our_cluster_and_none_of_our_settings(tmp_path: Path) -> None:
    """
    What the operator set for another helm does not change what this one does.
    """
    ours = {
        "PATH": "/bin",
        "HELM_DRIVER": "memory",
        "HELM_NAMESPACE": "x",
        "HELM_PLUGINS": "/p",
        "KUBECONFIG": "/other",
    }
    home = tmp_path / "home"
    own = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}

    seen = {"GOGC": "400", "PATH": "/bin", "KUBECONFIG": "/other", **own}
    assert {**seen, "KUBECONFIG": "/the/config"} == environment(ours, "/the/config", home)
    assert seen == environment(ours, None, home)
    assert {**seen, "GOGC": "50"} == environment({**ours, "GOGC": "50"}, None, home)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", PendingError),
        ("Kubernetes cluster unreachable: Get https://x: dial tcp: connection refused", UnreachableError),
        ("Get https://x/version: net/http: TLS handshake timeout", UnreachableError),
        ("etcdserver: request timed out", UnreachableError),
        ("the server is currently unable to handle the request", UnreachableError),
        ('create: failed to create: Post "https://x/api/v1/namespaces/y/secrets": EOF', UnreachableError),
        ('an error on the server ("unknown") has prevented the request from succeeding', UnreachableError),
        ("Timeout: request did not complete within the allotted timeout", UnreachableError),
        ("Too many requests, please try again later.", UnreachableError),
        ('INSTALL FAILED: services is forbidden: User "u" cannot list resource "services"', OutsideError),
        ('INSTALL FAILED: pods "p" is forbidden: violates PodSecurity "restricted:latest"', RefusedError),
        ('INSTALL FAILED: pods "p" is forbidden: exceeded quota: q', RefusedError),
        ('admission webhook "policy" denied the request: no', RefusedError),
        ('UPGRADE FAILED: cannot patch "x": StatefulSet.apps "x" is invalid: spec: Forbidden', RefusedError),
        ("values don't meet the specifications of the schema(s)", RefusedError),
        (
            'ConfigMap "x" exists and cannot be imported into the current release: invalid ownership metadata',
            ConflictError,
        ),
        ('Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.a', ConflictError),
        ('UPGRADE FAILED: no revision for release "x"', HelmError),
        ("parse error at (x/templates/y.yaml:3): unclosed action", HelmError),
    ],
)
def test_words_of_helm_have_a_class(said: str, kind: type[OutsideError]) -> None:
    """
    Each saying becomes the error that it means, and is kept.
    """
    error = explained("keystone", f"WARNING: chatter\nError: {said}\n")

    assert kind is type(error)
    assert str(error).startswith(f"keystone: {said}; ")


@pytest.mark.parametrize(
    "said",
    [
        'create: Secret "sh.helm.release.v1.x.v7" is invalid: data: Too long: must have at most 1048576 bytes',
        'create: Secret "sh.helm.release.v1.x.v7" is invalid: data: Too long: may not be more than 1048576 bytes',
        "create: failed to create: Request entity too large: limit is 3145728",
        "create: failed to create: etcdserver: request is too large",
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2100000 vs. 2097152)",
        "create: failed to create: status code 413 but did not return more information (post secrets)",
    ],
)
def test_release_that_is_too_large_says_what_to_make_smaller(said: str) -> None:
    """
    It does not pass by itself, and what helm names is a Secret that no file of the operator knows.
    """
    error = explained("keystone", f"Error: UPGRADE FAILED: {said}")

    assert RefusedError is type(error)
    assert "chart and values of a release may have 1 MiB in all, packed: make" in str(error)


def test_silence_of_helm_is_told() -> None:
    """
    A helm that was killed has said nothing.
    """
    assert str(explained("keystone", "")).startswith("keystone: ended without a word; ")


def test_long_words_keep_their_end() -> None:
    """
    The cause stands last.
    """
    assert str(explained("keystone", "x" * 9000 + " the cause")).split(";", maxsplit=1)[0].endswith("the cause")
