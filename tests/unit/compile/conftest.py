"""What tests of pods' programs share."""

from __future__ import annotations

import importlib.util
import json
import ssl
import sys
from pathlib import Path

import galera_agent
import pytest

from sandbox import pki
from tests.unit.compile.galera_member import Member
from tests.unit.compile.pod import POD, PROGRAMS, in_turn, serving


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority, and a certificate of an API server that it signed."""
    folder = tmp_path_factory.mktemp("pki")
    pki.make(folder, {"api": ("/CN=api", "IP:127.0.0.1")})
    return folder


@pytest.fixture
def member(tmp_path, monkeypatch):
    return lambda number, api: Member(number, api, tmp_path, monkeypatch)


@pytest.fixture
def clock(monkeypatch):
    """Time as the agent sees it: a list whose last entry is now."""
    times = [1000.0]
    monkeypatch.setattr(galera_agent, "clock", lambda: times[-1])
    return times


@pytest.fixture
def root(tmp_path, authority, monkeypatch):
    """Root directory of a pod: its file, its token, its secrets."""
    for folder in ("dev", "kolla-k8s", "run/kolla-k8s/rendered", "run/kolla-k8s/token", "run/kolla-k8s/secrets"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "kolla-k8s/pod.json").write_text(json.dumps(POD))
    (tmp_path / "run/kolla-k8s/token/ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    (tmp_path / "run/kolla-k8s/token/token").write_text("the-token")
    (tmp_path / "run/kolla-k8s/token/namespace").write_text("openstack")
    secrets = {"keystone/password": "pa'ss", "mariadb/root-password": "root", "rabbitmq/admin-password": "rabbit"}
    for name, text in {**secrets, "keystone/admin-password": "admin"}.items():
        path = tmp_path / "run/kolla-k8s/secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("KOLLA_K8S_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def program(monkeypatch):
    """Load a program as it is in this pod."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    load("init")
    return load


@pytest.fixture
def api(authority):
    """Serve a Kubernetes API with these answers and tell the pod where."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "api.crt", authority / "api.key")

    def serve(*answers):
        return serving(in_turn(*answers), tls=context)

    return serve
