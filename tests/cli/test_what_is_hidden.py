"""What a command knows as secret before it shows anything."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

from kolla_k8s.adapters.clock import SystemClock
from kolla_k8s.adapters.helm import HelmProgram, Runner
from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.cli.session import Session
from kolla_k8s.orchestrate.secrets import SECRETS
from kolla_k8s.redact import HIDDEN, Redactor
from tests.fake_cluster import FakeCluster

SITE = Path(__file__).parents[2] / "values/sites/sandbox.yaml"


def test_every_secret_of_the_cloud_is_known(tmp_path):
    """
    Those of a service that is disabled by now too: what is left of it may still say them.
    """
    cluster, redact = FakeCluster(), Redactor()
    for name in ("keystone-secrets", "memcached-secrets", "rabbitmq-secrets"):
        data = {"any": base64.b64encode(f"s3cret of {name}".encode()).decode()}
        cluster.put(SECRETS, {"metadata": {"name": name}, "data": data}, "openstack")
    session = Session(cluster, HelmProgram(Runner("helm", None, None, tmp_path), redact), SystemClock(), redact)

    asyncio.run(session.learn(load_cloud(Source([SITE], ["services.keystone.enabled=false"]))))

    assert f"{HIDDEN} {HIDDEN}" == redact("s3cret of keystone-secrets s3cret of rabbitmq-secrets")
